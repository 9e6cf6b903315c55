/* Many chat clients in one thread: they log in, send, and check all that comes. */
#ifndef CLIENTS_H
#define CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

enum { FIRST_ID = 100001, MOST_CLIENTS = 19900, MOST_SENDERS = 200, HEAD = 640 };
enum state { CLOSED, ENTERING, IN };

/* What is the same for all clients; set before the first one opens. */
struct settings {
    int port;
    /* The server only hands on what it gets: no login, and a sender's own message is its answer. */
    bool raw;
    /* A message is for the neighbour (0 and 1, 2 and 3, ...) and not for everybody. */
    bool pairs;
    /* Empty: log in with a token. */
    const char *password;
    /* One frame, its length included, that is sent again and again with other digits in it. */
    const char *template;
    uint32_t template_size;
    /* Where in a payload the digits go, or -1. */
    int content_at, id_at, to_at;
    int senders;
    /* Messages that a sender keeps unanswered; 0: it only sends when it is told to. */
    int window;
    /* Of how many clients one has its latencies taken down. */
    int sample_every;
};

struct client {
    int fd;
    enum state state;
    uint32_t have;   /* bytes in head */
    uint32_t skip;   /* bytes of the frame in hand that don't matter */
    uint32_t answered; /* since it last sent */
    uint32_t unconfirmed; /* private messages since the last ReceivedMes */
    uint64_t since;  /* when it began to log in */
    uint64_t sent, acks, got;
    char head[HEAD];
};

struct totals {
    uint64_t sent, acks, messages, bytes, frames, logins;
};

extern struct settings settings;
extern struct client clients[MOST_CLIENTS];
extern struct totals totals;
/* Microseconds, of messages and of logins. */
extern uint32_t *samples;
extern uint32_t sample_count;

uint64_t now_ns(void);
void fail(const char *what);
void clients_init(void);
/* Connect and log in. */
void client_open(int index);
/* End without a trace: reset, so that no port stays in TIME_WAIT. */
void client_close(int index);
/* Stop reading from it. */
void client_neglect(int index);
/* Send so many messages with one write. */
void client_send(int index, uint32_t count);
/* Let everybody read for up to so many milliseconds; 0: what is there now. */
void clients_read(int milliseconds);
/* Whether a client got every message of all others, each once and in order. */
bool client_complete(int index, int users);

#endif
