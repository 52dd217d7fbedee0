/* A reader: opens, reads and closes a file in a tight loop, until SIGTERM.
 *
 *   credentials-reader FILE LOG
 *
 * Reads as node's readFileSync does: as much as fstat says, and up to the end of a file that is said to be empty.
 * Every content that is not the one before goes to LOG, after a line `LENGTH READS`: its length (-1 where the file
 * could not be read) and how often in a row it was found. What it is worth is for others to say. Exit: 0 done, 2 wrong
 * usage or LOG cannot be written. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST = 1 << 16 };

struct content {
    long length; /* -1: could not be read */
    char bytes[LARGEST];
};

static struct content contents[2];
static volatile sig_atomic_t over;

static void stop(int signal)
{
    (void)signal;
    over = 1;
}

static void read_once(const char *path, struct content *content)
{
    content->length = -1;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    struct stat status;
    if (fstat(file, &status) == 0) {
        long wanted = status.st_size > 0 && status.st_size < LARGEST ? status.st_size : LARGEST;
        long length = 0;
        ssize_t got = 0;
        while (length < wanted && (got = read(file, content->bytes + length, (size_t)(wanted - length))) > 0)
            length += got;
        if (got >= 0)
            content->length = length;
    }
    close(file);
}

static void note(FILE *log, const struct content *content, unsigned long reads)
{
    if (reads == 0)
        return;
    fprintf(log, "%ld %lu\n", content->length, reads);
    if (content->length > 0)
        fwrite(content->bytes, 1, (size_t)content->length, log);
}

int main(int count, char **values)
{
    FILE *log = count == 3 ? fopen(values[2], "we") : NULL;
    if (log == NULL) {
        fputs("wrong usage: see the head of reader.c\n", stderr);
        return 2;
    }
    struct sigaction action = { .sa_handler = stop };
    sigaction(SIGTERM, &action, NULL);

    struct content *present = &contents[0], *next = &contents[1];
    unsigned long reads = 0;
    while (!over) {
        read_once(values[1], next);
        if (reads > 0 && next->length == present->length
            && (next->length <= 0 || memcmp(next->bytes, present->bytes, (size_t)next->length) == 0)) {
            reads++;
            continue;
        }
        note(log, present, reads);
        struct content *free_one = present;
        present = next;
        next = free_one;
        reads = 1;
    }
    note(log, present, reads);
    return fclose(log) == 0 ? 0 : 2;
}
