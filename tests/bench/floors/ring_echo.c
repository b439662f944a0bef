// The least that serving many connections can cost: one ring, one receive and one send a message, each with a buffer of
// its own, nothing looked at. As many messages a wait as there are.
//   ring_echo SOCKET
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct connection {
  int fd;
  int sending;
  char buffer[4096];
};

static struct io_uring ring;

static void receive(struct connection* of) {
  struct io_uring_sqe* entry = io_uring_get_sqe(&ring);
  io_uring_prep_recv(entry, of->fd, of->buffer, sizeof of->buffer, 0);
  io_uring_sqe_set_data(entry, of);
  of->sending = 0;
}

static void answered(struct connection* of, int result) {
  if (result <= 0) return;
  if (of->sending) {
    receive(of);
    return;
  }
  struct io_uring_sqe* entry = io_uring_get_sqe(&ring);
  io_uring_prep_send(entry, of->fd, of->buffer, (size_t)result, MSG_NOSIGNAL);
  io_uring_sqe_set_data(entry, of);
  of->sending = 1;
}

int main(int argc, char** argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
  const int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  if (argc != 2 || io_uring_queue_init_params(256, &ring, &params) != 0) return 2;
  strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 64) != 0) return 1;
  struct io_uring_sqe* entry = io_uring_get_sqe(&ring);
  io_uring_prep_multishot_accept(entry, listener, NULL, NULL, 0);
  io_uring_sqe_set_data(entry, NULL);
  for (;;) {
    struct io_uring_cqe* done = NULL;
    if (io_uring_submit_and_wait(&ring, 1) < 0) return 1;
    while (io_uring_peek_cqe(&ring, &done) == 0) {
      struct connection* of = io_uring_cqe_get_data(done);
      const int result = done->res;
      io_uring_cqe_seen(&ring, done);
      if (of) {
        answered(of, result);
      } else if (result >= 0 && (of = calloc(1, sizeof *of))) {
        of->fd = result;
        receive(of);
      }
    }
  }
}
