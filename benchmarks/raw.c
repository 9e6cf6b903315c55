/* The limit that the chat server is measured against: what comes in on a socket goes out on others,
 * with nothing parsed, stored or known.
 *
 *   raw MODE FRAME
 *
 * MODE  each      every FRAME bytes that came are written to every connection, one write each
 *       coalesce  what one round of epoll brought is written to every connection, one write each
 *       pair      what came is written to the neighbour (0 and 1, 2 and 3, ...) and back
 *       echo      what came is written back
 *
 * Prints the port that it listens on, on 127.0.0.1, and ends when its standard input does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 20000, EVENTS = 1024, CHUNK = 256 * 1024 };
enum mode { EACH, COALESCE, PAIR, ECHO };

struct connection {
    int fd;
    /* The beginning of a frame whose end has not come yet. */
    char *partial;
    size_t partial_size;
    /* What the socket did not take. */
    char *rest;
    size_t rest_size;
};

static struct connection connections[MOST];
static int count;
static int poller;
static size_t frame;
static char chunk[CHUNK];
static char *batch;
static size_t batch_size, batch_room;

static void fail(const char *what)
{
    fprintf(stderr, "raw: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *grown(void *memory, size_t size)
{
    memory = realloc(memory, size ? size : 1);
    if (memory == NULL) fail("realloc");
    return memory;
}

static void watch(int index, unsigned events, int how)
{
    struct epoll_event event = {.events = events, .data.u32 = (unsigned)index};
    if (epoll_ctl(poller, how, connections[index].fd, &event) < 0) fail("epoll_ctl");
}

static void drop(struct connection *to)
{
    close(to->fd);
    to->fd = -1;
    to->rest_size = 0;
}

static void put(struct connection *to, const char *data, size_t size)
{
    ssize_t sent = 0;
    if (to->fd < 0) return;
    if (!to->rest_size) {
        sent = send(to->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent == (ssize_t)size) return;
        if (sent < 0) {
            if (errno != EAGAIN) return;
            sent = 0;
        }
        watch((int)(to - connections), EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
    to->rest = grown(to->rest, to->rest_size + size - (size_t)sent);
    memcpy(to->rest + to->rest_size, data + sent, size - (size_t)sent);
    to->rest_size += size - (size_t)sent;
}

static void put_rest(struct connection *to)
{
    ssize_t sent = send(to->fd, to->rest, to->rest_size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) return;
    to->rest_size -= (size_t)sent;
    memmove(to->rest, to->rest + sent, to->rest_size);
    if (!to->rest_size) watch((int)(to - connections), EPOLLIN, EPOLL_CTL_MOD);
}

static void put_all(const char *data, size_t size)
{
    for (int i = 0; i < count; i++) put(&connections[i], data, size);
}

static void gather(const char *data, size_t size)
{
    if (batch_size + size > batch_room) {
        batch_room = 2 * (batch_size + size);
        batch = grown(batch, batch_room);
    }
    memcpy(batch + batch_size, data, size);
    batch_size += size;
}

/* Whole frames only: two senders' must not be mixed up. */
static void came(struct connection *from, enum mode mode, const char *data, size_t size)
{
    from->partial = grown(from->partial, from->partial_size + size);
    memcpy(from->partial + from->partial_size, data, size);
    from->partial_size += size;
    size_t whole = from->partial_size / frame * frame;
    if (mode == COALESCE) {
        gather(from->partial, whole);
    } else {
        for (size_t at = 0; at < whole; at += frame) put_all(from->partial + at, frame);
    }
    from->partial_size -= whole;
    memmove(from->partial, from->partial + whole, from->partial_size);
}

static void readable(int index, enum mode mode)
{
    struct connection *from = &connections[index];
    ssize_t size = recv(from->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
        drop(from);
        return;
    }
    if (mode == PAIR) put(&connections[index ^ 1], chunk, (size_t)size);
    if (mode == PAIR || mode == ECHO) put(from, chunk, (size_t)size);
    else came(from, mode, chunk, (size_t)size);
}

static void welcome(int listener)
{
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (count == MOST) exit(2);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connections[count].fd = fd;
        watch(count++, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static int listening(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0) fail("bind");
    if (listen(listener, 1024) < 0) fail("listen");
    getsockname(listener, (struct sockaddr *)&here, &length);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    return listener;
}

static enum mode mode_named(const char *name)
{
    const char *names[] = {"each", "coalesce", "pair", "echo"};
    for (int i = 0; i < 4; i++)
        if (!strcmp(name, names[i])) return (enum mode)i;
    fprintf(stderr, "raw: no such mode: %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    if (argc != 3 || atoi(argv[2]) < 1) {
        fprintf(stderr, "raw MODE FRAME\n");
        return 2;
    }
    enum mode mode = mode_named(argv[1]);
    frame = (size_t)atoi(argv[2]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    int listener = listening();
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN, .data.u32 = MOST}};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &events[0]);
    events[0].data.u32 = MOST + 1;
    epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &events[0]);
    for (;;) {
        int found = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < found; i++) {
            unsigned index = events[i].data.u32;
            if (index == MOST + 1) return 0;
            if (index == MOST) {
                welcome(listener);
                continue;
            }
            if (events[i].events & EPOLLOUT) put_rest(&connections[index]);
            if (events[i].events & ~(unsigned)EPOLLOUT) readable((int)index, mode);
        }
        if (batch_size) {
            put_all(batch, batch_size);
            batch_size = 0;
        }
    }
}
