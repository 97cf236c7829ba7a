/* What a datagram costs at least: taken and sent back, as a media worker takes and sends, with
 * nothing known of it, nothing decrypted and nothing remembered.
 *
 * floor ADDRESS MICROSECONDS: look at the socket whenever something comes (0), or by a clock.
 * Prints its port and goes on until it is ended.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { MANY = 64, ROOM = 2048, QUEUE = 4 << 20 };

static char rooms[MANY][ROOM];
static struct sockaddr_in names[MANY];
static struct iovec vectors[MANY];
static struct mmsghdr messages[MANY];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int bound(const char *address) {
  struct sockaddr_in here = {.sin_family = AF_INET};
  socklen_t length = sizeof here;
  int size = QUEUE, socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  if (socket_ < 0 || inet_pton(AF_INET, address, &here.sin_addr) != 1) fail(address);
  setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  if (bind(socket_, (struct sockaddr *)&here, length)) fail(address);
  getsockname(socket_, (struct sockaddr *)&here, &length);
  printf("%d\n", ntohs(here.sin_port));
  fflush(stdout);
  return socket_;
}

static int ticking(long microseconds) {
  struct itimerspec period = {{0, microseconds * 1000}, {0, microseconds * 1000}};
  int clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  if (clock < 0 || timerfd_settime(clock, 0, &period, NULL)) fail("timerfd");
  return clock;
}

static int take(int socket_) {
  for (int n = 0; n < MANY; n++) {
    vectors[n] = (struct iovec){rooms[n], ROOM};
    messages[n].msg_hdr = (struct msghdr){
        .msg_name = &names[n], .msg_namelen = sizeof names[n], .msg_iov = &vectors[n], .msg_iovlen = 1};
  }
  return recvmmsg(socket_, messages, MANY, MSG_DONTWAIT, NULL);
}

static void give(int socket_, int count) {
  for (int n = 0; n < count; n++) vectors[n].iov_len = messages[n].msg_len;
  for (int at = 0; at < count;) {
    int done = sendmmsg(socket_, messages + at, count - at, MSG_DONTWAIT);
    at += done > 0 ? done : 1;
  }
}

int main(int count, char **words) {
  if (count != 3) return 2;
  int socket_ = bound(words[1]), clock = -1, waiting = epoll_create1(0);
  long microseconds = atol(words[2]);
  struct epoll_event event = {.events = EPOLLIN};
  if (microseconds > 0) clock = ticking(microseconds);
  if (epoll_ctl(waiting, EPOLL_CTL_ADD, clock < 0 ? socket_ : clock, &event)) fail("epoll");
  for (;;) {
    char expired[8];
    if (epoll_wait(waiting, &event, 1, -1) < 0) continue;
    if (clock >= 0 && read(clock, expired, sizeof expired) < 0) continue;
    for (int taken = MANY; taken == MANY;) {
      taken = take(socket_);
      if (taken > 0) give(socket_, taken);
    }
  }
}
