#include "supervisor/box/launch.h"

#include <poll.h>

namespace alos::box {
namespace {

Launched<void> bring_up(const Holder& holder, Starting& box, Trace& trace) {
  if (auto released = release(holder, box, trace); !released) return released;
  for (;;) {
    const auto runs = hear(box);
    if (!runs) return std::unexpected(runs.error());
    if (*runs) return {};
  }
}

}  // namespace

Launched<Starting> launch(const Holder& holder, Sources sources, BoxRequest request, Trace& trace,
                          std::vector<Granted>& granted) {
  auto layout = compose(holder, std::move(sources), std::move(request), trace);
  if (!layout) return std::unexpected(std::move(layout).error());
  granted = granted_by(*layout);
  layout->hands_over_tree = layout->listener;
  auto box = clone_box(holder, *layout, trace);
  if (!box) return box;
  if (auto up = bring_up(holder, *box, trace); !up) {
    end(*box);
    return std::unexpected(std::move(up).error());
  }
  return box;
}

void end(const Starting& box) {
  give_up(box);
  pollfd ended{.fd = box.pidfd.get(), .events = POLLIN, .revents = 0};
  ::poll(&ended, 1, 2000);
}

}  // namespace alos::box
