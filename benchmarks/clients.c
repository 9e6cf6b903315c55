#define _GNU_SOURCE
#include "clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* In a message: who sent it, its number, when in microseconds; then padding. */
enum { WHO = 4, NUMBER = 8, WHEN = 16 };
enum { CHUNK = 1024 * 1024, EVENTS = 512, MOST_SAMPLES = 8 * 1000 * 1000, CONFIRM_AFTER = 50 };

struct settings settings;
struct client clients[MOST_CLIENTS];
struct totals totals;
uint32_t *samples;
uint32_t sample_count;

static int poller;
static char chunk[HEAD + CHUNK];
/* For each client, the number that each sender's next message must have. */
static uint32_t *next_number;

uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void fail(const char *what)
{
    fprintf(stderr, "load: %s (%s)\n", what, errno ? strerror(errno) : "no system error");
    exit(1);
}

void clients_init(void)
{
    poller = epoll_create1(EPOLL_CLOEXEC);
    samples = malloc(MOST_SAMPLES * sizeof *samples);
    next_number = calloc((size_t)MOST_CLIENTS * MOST_SENDERS, sizeof *next_number);
    if (poller < 0 || !samples || !next_number) fail("no memory");
}

static void take_sample(uint64_t nanoseconds)
{
    if (sample_count < MOST_SAMPLES) samples[sample_count++] = (uint32_t)(nanoseconds / 1000);
}

static void write_whole(int fd, const char *data, size_t size)
{
    /* Little is under way at any time, so that a socket takes it; if not, the load is at fault. */
    if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size) fail("could not send");
}

static void write_payload(int fd, const char *payload)
{
    char frame[1024];
    uint32_t size = (uint32_t)strlen(payload), prefix = htonl(size);
    memcpy(frame, &prefix, 4);
    memcpy(frame + 4, payload, size);
    write_whole(fd, frame, 4 + size);
}

/* ---- coming and going */

static void log_in(struct client *client, int index)
{
    char payload[512];
    int id = FIRST_ID + index;
    if (settings.password[0])
        snprintf(payload, sizeof payload,
                 "{\"type\":\"LoginMes\",\"data\":\"{\\\"userId\\\":%d,\\\"userPwd\\\":\\\"%s\\\","
                 "\\\"protocol\\\":2}\"}", id, settings.password);
    else
        snprintf(payload, sizeof payload,
                 "{\"type\":\"LoginMes\",\"data\":\"{\\\"userId\\\":%d,\\\"protocol\\\":2,"
                 "\\\"token\\\":\\\"bench-%d\\\"}\"}", id, id);
    client->state = ENTERING;
    write_payload(client->fd, payload);
}

void client_open(int index)
{
    struct client *client = &clients[index];
    int one = 1;
    /* One address has some 28,000 ports to connect from. */
    struct sockaddr_in here = {.sin_family = AF_INET};
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)settings.port)};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)index / 5000);
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(client, 0, offsetof(struct client, head));
    client->since = now_ns();
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0) fail("socket");
    setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(client->fd, (struct sockaddr *)&here, sizeof here) < 0) fail("bind");
    if (connect(client->fd, (struct sockaddr *)&there, sizeof there) < 0) fail("connect");
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, client->fd, &event) < 0) fail("epoll_ctl");
    if (settings.raw && settings.template_size) {
        client->state = IN;
        totals.logins++;
    } else {
        log_in(client, index);
    }
}

void client_close(int index)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (clients[index].state == CLOSED) return;
    setsockopt(clients[index].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(clients[index].fd);
    clients[index].state = CLOSED;
}

void client_neglect(int index)
{
    epoll_ctl(poller, EPOLL_CTL_DEL, clients[index].fd, NULL);
}

static void entered(struct client *client, const char *payload, uint32_t size)
{
    if (!settings.raw && !memmem(payload, size, "\\\"code\\\":200", 12)) fail("login refused");
    client->state = IN;
    totals.logins++;
    take_sample(now_ns() - client->since);
}

/* ---- sending */

static void put_digits(char *at, uint64_t number, int digits)
{
    while (digits--) {
        at[digits] = (char)('0' + number % 10);
        number /= 10;
    }
}

static uint64_t digits_at(const char *at, int digits)
{
    uint64_t number = 0;
    while (digits--) number = number * 10 + (uint64_t)(*at++ - '0');
    return number;
}

void client_send(int index, uint32_t count)
{
    static char out[256 * 1024];
    struct client *client = &clients[index];
    size_t size = settings.template_size;
    uint64_t when = now_ns() / 1000;
    if (count * size > sizeof out) fail("too much at once");
    for (uint32_t i = 0; i < count; i++) {
        char *frame = out + i * size, *content = frame + 4 + settings.content_at;
        memcpy(frame, settings.template, size);
        put_digits(content, (uint64_t)index, WHO);
        put_digits(content + WHO, client->sent, NUMBER);
        put_digits(content + WHO + NUMBER, when, WHEN);
        if (settings.id_at >= 0) memcpy(frame + 4 + settings.id_at, content, WHO + NUMBER);
        if (settings.to_at >= 0)
            put_digits(frame + 4 + settings.to_at, (uint64_t)(FIRST_ID + (index ^ 1)), 6);
        client->sent++;
    }
    totals.sent += count;
    write_whole(client->fd, out, count * size);
}

/* ---- receiving */

static void acknowledged(struct client *client)
{
    client->acks++;
    client->answered++;
    totals.acks++;
}

static void confirm(struct client *client, const char *payload, uint32_t size)
{
    static const char mark[] = "\\\"seq\\\":\\\"";
    char answer[256];
    const char *seq = memmem(payload, size, mark, sizeof mark - 1);
    if (seq == NULL) fail("a private message without its place");
    seq += sizeof mark - 1;
    int length = (int)strcspn(seq, "\\");
    snprintf(answer, sizeof answer,
             "{\"type\":\"ReceivedMes\",\"data\":\"{\\\"inbox\\\":\\\"%.*s\\\"}\"}", length, seq);
    write_payload(client->fd, answer);
    client->unconfirmed = 0;
}

static void message_came(int index, const char *content, uint64_t now)
{
    struct client *client = &clients[index];
    uint32_t who = (uint32_t)digits_at(content, WHO);
    uint32_t number = (uint32_t)digits_at(content + WHO, NUMBER);
    if (who >= (uint32_t)settings.senders) fail("a message from nobody");
    if (settings.raw && who == (uint32_t)index) {
        if (number != client->acks) fail("an answer lost, doubled or out of order");
        acknowledged(client);
        return;
    }
    uint32_t *expected = &next_number[(size_t)index * MOST_SENDERS + who];
    if (number != *expected) fail("a message lost, doubled or out of order");
    (*expected)++;
    client->got++;
    totals.messages++;
    if (index % settings.sample_every == 0)
        take_sample(now - 1000 * digits_at(content + WHO + NUMBER, WHEN));
}

static void refused(const char *payload, uint32_t size)
{
    fprintf(stderr, "load: refused: %.*s\n", (int)size, payload);
    exit(1);
}

/* payload holds what HEAD takes of it. */
static void frame_came(int index, const char *payload, uint32_t size, uint64_t now)
{
    struct client *client = &clients[index];
    totals.frames++;
    if (client->state == ENTERING) {
        entered(client, payload, size);
        return;
    }
    /* {"type":"SmsMes" and so on: the kinds differ early. */
    switch (payload[9]) {
    case 'S':
        message_came(index, payload + 40, now);
        return;
    case 'P':
        if (payload[11] == 'i') {
            message_came(index, payload + 44, now);
            if (!settings.raw && ++client->unconfirmed == CONFIRM_AFTER)
                confirm(client, payload, size);
        } else if (payload[10] == 'i') {
            write_payload(client->fd, "{\"type\":\"PongMes\",\"data\":\"{}\"}");
        }
        return;
    case 'A':
        if (!memmem(payload, size, "\\\"code\\\":20", 11)) refused(payload, size);
        acknowledged(client);
        return;
    case 'E':
        refused(payload, size);
    }
}

/* Go through data, which begins with what lay in the client's head. */
static void frames_came(int index, const char *data, size_t size, uint64_t now)
{
    struct client *client = &clients[index];
    for (;;) {
        uint32_t length, wanted;
        if (client->skip) {
            uint32_t step = client->skip < size ? client->skip : (uint32_t)size;
            client->skip -= step;
            data += step;
            size -= step;
        }
        if (size < 4) break;
        memcpy(&length, data, 4);
        length = ntohl(length);
        wanted = length + 4 < HEAD ? length + 4 : HEAD;
        if (size < wanted) break;
        frame_came(index, data + 4, wanted - 4, now);
        data += wanted;
        size -= wanted;
        client->skip = length + 4 - wanted;
    }
    memcpy(client->head, data, size);
    client->have = (uint32_t)size;
}

static void readable(int index)
{
    struct client *client = &clients[index];
    ssize_t size = recv(client->fd, chunk + client->have, CHUNK, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) fail("a connection was lost");
    totals.bytes += (uint64_t)size;
    memcpy(chunk, client->head, client->have);
    size_t all = client->have + (size_t)size;
    client->have = 0;
    frames_came(index, chunk, all, now_ns());
    if (settings.window && client->answered) {
        uint32_t answered = client->answered;
        client->answered = 0;
        client_send(index, answered);
    }
}

void clients_read(int milliseconds)
{
    struct epoll_event events[EVENTS];
    int found = epoll_wait(poller, events, EVENTS, milliseconds);
    for (int i = 0; i < found; i++)
        if (clients[events[i].data.u32].state != CLOSED) readable((int)events[i].data.u32);
}

bool client_complete(int index, int users)
{
    for (int sender = 0; sender < settings.senders && sender < users; sender++) {
        if (sender == index || (settings.pairs && sender != (index ^ 1))) continue;
        if (next_number[(size_t)index * MOST_SENDERS + sender] != clients[sender].sent) return false;
    }
    return clients[index].acks == clients[index].sent;
}
