/* The record of a run: one line "case result errno" per call, kept in a fixed buffer and written out at the
 * end. No malloc, no stdio and no libc call on the way, so that it can be used in signal handlers, in vfork
 * children and with every descriptor taken. errno is preset to a value that no call sets, and recorded on
 * success too: a call that succeeds must leave it as the plain libc does. */
#ifndef RECORD_H
#define RECORD_H

#include <errno.h>
#include <sys/stat.h>

#define ERRNO_SENTINEL 4242

/* Calls `expression` and records what it returned and what it did to errno. */
#define CASE(label, expression)                               \
	do {                                                  \
		errno = ERRNO_SENTINEL;                       \
		long case_result = (long)(expression);        \
		int case_errno = errno;                       \
		record_result((label), case_result, case_errno); \
	} while (0)

/* The same for a pointer: whether it is NULL. */
#define CASE_POINTER(label, expression)                                 \
	do {                                                            \
		errno = ERRNO_SENTINEL;                                 \
		const void *case_pointer = (expression);                \
		int case_errno = errno;                                 \
		record_result((label), case_pointer != 0, case_errno);  \
	} while (0)

/* The same for a call that opens a file: also the descriptor's flags and the file's type, permissions and
 * size. The descriptor's number is part of the result (POSIX: the lowest free one). It is closed. */
#define CASE_OPEN(label, expression)                             \
	do {                                                     \
		errno = ERRNO_SENTINEL;                          \
		int case_fd = (expression);                      \
		int case_errno = errno;                          \
		record_opened((label), case_fd, case_errno);     \
	} while (0)

void record_result(const char *label, long result, int error);
void record_opened(const char *label, int fd, int error);
/* A number or a text that a call filled in. */
void record_number(const char *label, long number);
void record_text(const char *label, const char *text);
/* A path that a call filled in, without the directory that this run lives in. */
void record_path(const char *label, const char *path);
/* Type, permissions, links and size. A directory's size and links depend on what else lies in it: left out. */
void record_stat(const struct stat *status);
/* The number that the next opened file would get: shows a descriptor kept low or lost. */
void record_lowest_descriptor(const char *label);

/* Heads the following lines. */
void record_section(const char *name, const char *detail);

/* Writes everything to the file that TEST_OUTPUT names. 0, or the negative errno. */
int record_write(void);

/* The run's own directory (TEST_ROOT), without a trailing slash. */
const char *test_root(void);
/* test_root() followed by `suffix`, in one of a few static buffers that are reused in turn. */
const char *in_root(const char *suffix);

#endif
