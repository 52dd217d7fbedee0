/* A model client: the cycle of npm proper-lockfile (mkdir, utimensat, stat, rmdir) in plain libc calls.
 *
 *   lock-client old|new STALE_MS LOCK SECOND_LOCK|- hold HOLD_MS WORD
 *   lock-client old|new STALE_MS LOCK SECOND_LOCK|- stress HOLD_MS DURATION_MS NAME LOG
 *
 * The old band makes its calls on a thread, the new one on the main thread, as the real clients do.
 * `hold` takes the locks once, in rounds of six attempts, and prints WORD; `stress` takes them again and again and
 * appends `enter NAME NS`, `leave NAME NS` and `compromised NAME NS` to LOG. Exit: 0 done, 1 gave up, 2 wrong usage. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ATTEMPTS = 6, ROUNDS = 4, MAX_LOCKS = 2 };

struct lock {
    const char *path;
    int64_t mtime_ms;    /* what we last wrote there */
    int64_t update_at_ms;
    bool lost;           /* somebody took it from us: not ours to give back */
};

static struct lock locks[MAX_LOCKS];
static int lock_count;
static int64_t stale_ms;
static bool precision_known;
static char **arguments;
static int exit_status;

static const char *log_name;
static int log_file = -1;

static int64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t real_ms(void) { return clock_ns(CLOCK_REALTIME) / 1000000; }

static void sleep_ms(int64_t ms)
{
    struct timespec rest = { ms / 1000, ms % 1000 * 1000000 };
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        ;
}

static int64_t between(int64_t low, int64_t high)
{
    return high > low ? low + rand() % (high - low) : low;
}

static void note(const char *word)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%s %s %lld\n", word, log_name,
                          (long long)clock_ns(CLOCK_MONOTONIC));
    /* One write each, so that lines of several processes do not mix. */
    if (log_file >= 0 && write(log_file, line, (size_t)length) != length)
        _exit(2);
}

static int64_t mtime_ms(const struct stat *status)
{
    return (int64_t)status->st_mtim.tv_sec * 1000 + status->st_mtim.tv_nsec / 1000000;
}

static int set_mtime(const char *path, int64_t ms)
{
    struct timespec times[2];
    times[0].tv_sec = times[1].tv_sec = ms / 1000;
    times[0].tv_nsec = times[1].tv_nsec = ms % 1000 * 1000000;
    return utimensat(AT_FDCWD, path, times, 0);
}

/* The first time, a whole second and 5 ms shows whether the filesystem keeps milliseconds. */
static bool made(struct lock *lock)
{
    struct stat status;
    if (!precision_known) {
        precision_known = true;
        if (set_mtime(lock->path, (real_ms() + 999) / 1000 * 1000 + 5) != 0)
            return false;
    }
    if (stat(lock->path, &status) != 0)
        return false;
    lock->mtime_ms = mtime_ms(&status);
    lock->update_at_ms = real_ms() + 5000;
    lock->lost = false;
    return true;
}

static bool acquire_one(struct lock *lock)
{
    struct stat status;
    for (int tries = 0; tries < 2; tries++) {
        if (mkdir(lock->path, 0777) == 0)
            return made(lock);
        if (errno != EEXIST)
            return false;
        if (stat(lock->path, &status) != 0) {
            if (errno == ENOENT)
                continue; /* given back meanwhile */
            return false;
        }
        if (mtime_ms(&status) >= real_ms() - stale_ms)
            return false;
        if (rmdir(lock->path) != 0 && errno != ENOENT)
            return false;
    }
    return false;
}

static void release(int count)
{
    while (count-- > 0)
        if (!locks[count].lost && rmdir(locks[count].path) != 0 && errno != ENOENT)
            perror(locks[count].path);
}

static bool acquire(void)
{
    for (int index = 0; index < lock_count; index++)
        if (!acquire_one(&locks[index])) {
            release(index);
            return false;
        }
    return true;
}

/* The heartbeat; false when somebody took the lock from us. */
static bool update(struct lock *lock)
{
    struct stat status;
    if (stat(lock->path, &status) != 0 || mtime_ms(&status) != lock->mtime_ms)
        return false;
    lock->mtime_ms = real_ms();
    lock->update_at_ms = lock->mtime_ms + 5000;
    return set_mtime(lock->path, lock->mtime_ms) == 0;
}

/* Holds the locks for so long. */
static void hold(int64_t ms)
{
    for (int64_t end = real_ms() + ms; real_ms() < end;) {
        int64_t rest = end - real_ms();
        sleep_ms(rest < 100 ? rest : 100);
        for (int index = 0; index < lock_count; index++)
            if (!locks[index].lost && real_ms() >= locks[index].update_at_ms && !update(&locks[index])) {
                locks[index].lost = true;
                note("compromised");
            }
    }
}

static int hold_once(int64_t ms, const char *word)
{
    for (int round = 0; round < ROUNDS; round++)
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            if (attempt > 0)
                sleep_ms(between(1000, 2000));
            if (!acquire())
                continue;
            hold(ms);
            release(lock_count);
            puts(word);
            return 0;
        }
    return 1;
}

static int stress(int64_t longest_ms, int64_t duration_ms)
{
    for (int64_t end = real_ms() + duration_ms; real_ms() < end;) {
        if (!acquire()) {
            sleep_ms(between(5, 50));
            continue;
        }
        note("enter");
        hold(between(0, longest_ms));
        note("leave");
        release(lock_count);
        sleep_ms(between(0, longest_ms)); /* lets another one have its turn */
    }
    return 0;
}

static void *work(void *unused)
{
    (void)unused;
    if (strcmp(arguments[5], "hold") == 0) {
        log_name = "holder";
        exit_status = hold_once(atoll(arguments[6]), arguments[7]);
    } else {
        log_name = arguments[8];
        log_file = open(arguments[9], O_WRONLY | O_APPEND | O_CLOEXEC);
        if (log_file < 0) {
            perror(arguments[9]);
            exit_status = 2;
        } else {
            exit_status = stress(atoll(arguments[6]), atoll(arguments[7]));
        }
    }
    return NULL;
}

int main(int count, char **values)
{
    bool holds = count == 8 && strcmp(values[5], "hold") == 0;
    bool stresses = count == 10 && strcmp(values[5], "stress") == 0;
    if (!holds && !stresses) {
        fputs("wrong usage: see the head of client.c\n", stderr);
        return 2;
    }
    arguments = values;
    stale_ms = atoll(values[2]);
    locks[lock_count++].path = values[3];
    if (strcmp(values[4], "-") != 0)
        locks[lock_count++].path = values[4];
    srand((unsigned)(clock_ns(CLOCK_MONOTONIC) ^ getpid()));

    pthread_t thread;
    if (strcmp(values[1], "new") == 0)
        work(NULL);
    else if (pthread_create(&thread, NULL, work, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 2;
    return exit_status;
}
