#pragma once

#include <vector>

#include "base/unique_fd.h"

namespace alos {

// Closes descriptors that an agent sent, or can send others to, and waits for nothing that the agent decides.
//
// The last close of a socket does what close(2) promises its owner: with SO_LINGER, up to 68 years, it waits until what
// was sent has arrived, and that of a unix socket also closes whatever was sent to it and never received. Who shares
// the socket can set that again at any moment, so nothing that is set before the close holds. A task that is ending
// does not wait (net/ipv4/af_inet.c, inet_release: PF_EXITING): they are closed by a thread that ends, in a table of
// descriptors of its own. So is all else but pipes and directories: that of a file that has no name any more frees what
// it had on the disk, which may take seconds, and that of inotify waits for its readers. Where no thread can be had
// they stay open until the next call, or the end of the process.
void let_go(std::vector<UniqueFd> fds);
void let_go(UniqueFd fd);

// Anything that is not known to be something else.
bool is_socket(const UniqueFd& fd);

}  // namespace alos
