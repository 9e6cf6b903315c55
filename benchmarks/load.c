/* What the load does, and what it tells of it: one line of JSON for each step.
 *
 *   load room   USERS SENDERS WINDOW RATE NEGLECTED   messages to everybody
 *   load pairs  USERS WINDOW                          private messages between neighbours
 *   load storm  USERS AT_ONCE                         logins, as fast as they are answered
 *   load idle   USERS...                              so many online; goes on at each line of input
 *   load churn  ONLINE LOGINS RATE                    so many a second come, and go when they are in
 *
 * Everything else stands in the environment: PORT, RAW, PASSWORD, TEMPLATE (a file), CONTENT_AT,
 * ID_AT, TO_AT, WARM_UP and SECONDS, PROCESSES (whose CPU is measured).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clients.h"

enum { AT_ONCE = 100, MOST_PROCESSES = 4, DRAIN_SECONDS = 20, STUCK_SECONDS = 60 };

struct moment {
    uint64_t time, own_cpu, cpu[MOST_PROCESSES];
    struct totals totals;
};

static clockid_t clocks[MOST_PROCESSES];
static int processes;

static const char *text(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value ? value : otherwise;
}

static int number(const char *name, int otherwise)
{
    const char *value = getenv(name);
    return value ? atoi(value) : otherwise;
}

static void read_settings(void)
{
    static char template[4096];
    settings.port = number("PORT", 0);
    settings.raw = number("RAW", 0);
    settings.password = text("PASSWORD", "");
    settings.content_at = number("CONTENT_AT", -1);
    settings.id_at = number("ID_AT", -1);
    settings.to_at = number("TO_AT", -1);
    settings.sample_every = 1;
    if (getenv("TEMPLATE")) {
        FILE *file = fopen(getenv("TEMPLATE"), "rb");
        if (file == NULL) fail("TEMPLATE");
        settings.template = template;
        settings.template_size = (uint32_t)fread(template, 1, sizeof template, file);
        fclose(file);
    }
    char *list = strdup(text("PROCESSES", "")), *rest = list, *one;
    while ((one = strsep(&rest, ",")) && *one && processes < MOST_PROCESSES)
        if (clock_getcpuclockid(atoi(one), &clocks[processes++])) fail("PROCESSES");
    free(list);
}

/* ---- measuring */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec time = {0, 0};
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static struct moment moment(void)
{
    struct moment it = {.time = now_ns(), .own_cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID)};
    for (int i = 0; i < processes; i++) it.cpu[i] = clock_ns(clocks[i]);
    it.totals = totals;
    return it;
}

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static unsigned quantile(double part)
{
    return sample_count ? samples[(uint32_t)(part * (sample_count - 1))] : 0;
}

static void report(const struct moment *from, const struct moment *to)
{
    const struct totals *a = &from->totals, *b = &to->totals;
    qsort(samples, sample_count, sizeof *samples, by_size);
    printf("{\"seconds\":%.6f,\"sent\":%lu,\"messages\":%lu,\"acks\":%lu,\"logins\":%lu,"
           "\"bytes\":%lu,\"p50\":%u,\"p99\":%u,\"max\":%u,\"load_cpu\":%.6f,\"cpu\":[",
           (double)(to->time - from->time) / 1e9, b->sent - a->sent, b->messages - a->messages,
           b->acks - a->acks, b->logins - a->logins, b->bytes - a->bytes, quantile(0.5),
           quantile(0.99), quantile(1.0), (double)(to->own_cpu - from->own_cpu) / 1e9);
    for (int i = 0; i < processes; i++)
        printf("%s%.6f", i ? "," : "", (double)(to->cpu[i] - from->cpu[i]) / 1e9);
    printf("]}\n");
    fflush(stdout);
}

/* ---- steps */

/* Open clients from `from` up to `to`, so many of them unanswered at any time. */
static void open_clients(int from, int to, int at_once)
{
    uint64_t before = totals.logins, until = now_ns() + STUCK_SECONDS * 1000000000ull;
    int opened = from;
    while (totals.logins - before < (uint64_t)(to - from)) {
        while (opened < to && (uint64_t)(opened - from) - (totals.logins - before) < (uint64_t)at_once)
            client_open(opened++);
        clients_read(100);
        if (now_ns() > until) fail("logins take too long");
    }
}

static void read_until(uint64_t end)
{
    uint64_t now;
    while ((now = now_ns()) < end) clients_read((int)((end - now) / 1000000) + 1);
}

static void read_for(double seconds)
{
    read_until(now_ns() + (uint64_t)(seconds * 1e9));
}

static uint64_t next_due;

/* Messages at a rate, from the senders in turn; rate 0: they go by their windows. */
static void send_for(double seconds, int rate)
{
    static int turn;
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9), now;
    if (!rate) {
        read_until(end);
        return;
    }
    while ((now = now_ns()) < end) {
        if (now >= next_due) {
            client_send(turn++ % settings.senders, 1);
            next_due += 1000000000u / (uint64_t)rate;
            continue;
        }
        uint64_t wait = (next_due < end ? next_due : end) - now;
        clients_read(wait < 1000000 ? 0 : (int)(wait / 1000000));
    }
}

static void drain(int users)
{
    uint64_t end = now_ns() + DRAIN_SECONDS * 1000000000ull;
    settings.window = 0;
    for (int i = 0; i < users; i++) {
        while (!client_complete(i, users)) {
            if (now_ns() > end) fail("messages are missing at the end");
            clients_read(100);
        }
    }
}

static void measure(int rate, int users)
{
    double warm_up = atof(text("WARM_UP", "1")), seconds = atof(text("SECONDS", "5"));
    next_due = now_ns();
    for (int i = 0; settings.window && i < settings.senders; i++)
        client_send(i, (uint32_t)settings.window);
    send_for(warm_up, rate);
    sample_count = 0;
    struct moment from = moment();
    send_for(seconds, rate);
    struct moment to = moment();
    drain(users);
    report(&from, &to);
}

static void room(int users, int senders, int window, int rate, int neglected)
{
    settings.senders = senders;
    settings.sample_every = rate ? 1 : 10;
    open_clients(0, users + neglected, AT_ONCE);
    read_for(1.0);
    for (int i = users; i < users + neglected; i++) client_neglect(i);
    settings.window = window;
    measure(rate, users);
}

static void pairs(int users, int window)
{
    settings.senders = users;
    settings.pairs = true;
    open_clients(0, users, AT_ONCE);
    read_for(1.0);
    settings.window = window;
    measure(0, users);
}

static void storm(int users, int at_once)
{
    struct moment from = moment();
    open_clients(0, users, at_once);
    struct moment to = moment();
    report(&from, &to);
}

static void await_line(void)
{
    char line[64];
    if (fgets(line, sizeof line, stdin) == NULL) exit(0);
}

static void idle(int steps, char **users)
{
    for (int i = 0, online = 0; i < steps; online = atoi(users[i++])) {
        struct moment from = moment();
        open_clients(online, atoi(users[i]), AT_ONCE);
        read_for(1.0);
        struct moment to = moment();
        report(&from, &to);
        await_line();
    }
}

/* Two lines: what the server does when nothing happens, and what with the logins. */
static void churn(int online, int logins, int rate)
{
    open_clients(0, online, AT_ONCE);
    read_for(1.0);
    struct moment from = moment();
    read_for(2.0);
    struct moment to = moment();
    report(&from, &to);
    sample_count = 0;
    from = moment();
    uint64_t due = now_ns(), patience = due + STUCK_SECONDS * 1000000000ull;
    int came = 0, went = 0;
    while (went < logins) {
        if (came < logins) client_open(online + came++);
        due += 1000000000u / (uint64_t)rate;
        read_until(due);
        /* Who came a tenth of a second ago goes, if it is in. */
        int stay = came < logins ? rate / 10 : 0;
        while (went < came - stay && clients[online + went].state == IN)
            client_close(online + went++);
        if (due > patience) fail("logins take too long");
    }
    read_for(0.5);
    to = moment();
    report(&from, &to);
}

int main(int argc, char **argv)
{
    int given[5] = {0};
    read_settings();
    clients_init();
    for (int i = 2; i < argc && i < 7; i++) given[i - 2] = atoi(argv[i]);
    const char *what = argc > 2 ? argv[1] : "";
    if (!strcmp(what, "room")) room(given[0], given[1], given[2], given[3], given[4]);
    else if (!strcmp(what, "pairs")) pairs(given[0], given[1]);
    else if (!strcmp(what, "storm")) storm(given[0], given[1]);
    else if (!strcmp(what, "idle")) idle(argc - 2, argv + 2);
    else if (!strcmp(what, "churn")) churn(given[0], given[1], given[2]);
    else {
        errno = 0;
        fail("room, pairs, storm, idle or churn, and numbers");
    }
    for (int i = 0; i < MOST_CLIENTS; i++) client_close(i);
    return 0;
}
