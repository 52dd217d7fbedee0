/* The record's buffer. See include/record.h. */
#include "record.h"

#include <stdlib.h>

#include "raw.h"
#include "statx_types.h"

static char buffer[1 << 17];
static unsigned long used;

static void put(const char *text)
{
	while (*text != '\0' && used < sizeof buffer - 1)
		buffer[used++] = *text++;
}

static void put_number(long number)
{
	char digits[24];
	int at = sizeof digits - 1;
	unsigned long rest = number < 0 ? 0UL - (unsigned long)number : (unsigned long)number;
	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	if (number < 0)
		digits[--at] = '-';
	put(digits + at);
}

static void put_octal(unsigned number)
{
	char digits[12];
	int at = sizeof digits - 1;
	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + number % 8);
		number /= 8;
	} while (number != 0);
	put("0");
	put(digits + at);
}

void record_result(const char *label, long result, int error)
{
	put(label);
	put(" ");
	put_number(result);
	if (error == ERRNO_SENTINEL) {
		put(" -");
	} else {
		put(" errno=");
		put_number(error);
	}
	put("\n");
}

void record_opened(const char *label, int fd, int error)
{
	record_result(label, fd, error);
	if (fd < 0)
		return;
	struct statx status;
	put("  descriptor flags ");
	put_octal((unsigned)raw_fcntl(fd, F_GETFD, 0));
	put(" file flags ");
	put_octal((unsigned)raw_fcntl(fd, F_GETFL, 0));
	long result = raw_syscall(SYS_statx, fd, (long)"", 0x1000 /* AT_EMPTY_PATH */, STATX_BASIC_STATS,
				  (long)&status, 0);
	if (result == 0) {
		put(" mode ");
		put_octal(status.stx_mode);
		if (!S_ISDIR(status.stx_mode)) {
			put(" size ");
			put_number((long)status.stx_size);
		}
	}
	put("\n");
	raw_close(fd);
}

void record_number(const char *label, long number)
{
	put("  ");
	put(label);
	put(" ");
	put_number(number);
	put("\n");
}

void record_text(const char *label, const char *text)
{
	put("  ");
	put(label);
	put(" ");
	put(text);
	put("\n");
}

void record_path(const char *label, const char *path)
{
	const char *root = test_root();
	unsigned long length = 0;
	while (root[length] != '\0' && path[length] == root[length])
		length++;
	record_text(label, root[length] == '\0' ? path + length : path);
}

void record_stat(const struct stat *status)
{
	put("  mode ");
	put_octal(status->st_mode);
	if (!S_ISDIR(status->st_mode)) {
		put(" links ");
		put_number((long)status->st_nlink);
		put(" size ");
		put_number((long)status->st_size);
	}
	put("\n");
}

void record_lowest_descriptor(const char *label)
{
	int fd = raw_open("/", O_RDONLY | O_CLOEXEC, 0);
	record_number(label, fd);
	if (fd >= 0)
		raw_close(fd);
}

void record_section(const char *name, const char *detail)
{
	put("[");
	put(name);
	put(" ");
	put(detail);
	put("]\n");
}

int record_write(void)
{
	const char *path = getenv("TEST_OUTPUT");
	if (path == 0)
		return -EINVAL;
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fd;
	unsigned long written = 0;
	while (written < used) {
		long step = raw_write(fd, buffer + written, used - written);
		if (step <= 0)
			return (int)step;
		written += (unsigned long)step;
	}
	return raw_close(fd);
}

const char *test_root(void)
{
	const char *root = getenv("TEST_ROOT");
	return root == 0 ? "" : root;
}

const char *in_root(const char *suffix)
{
	static char paths[4][4096];
	static unsigned turn;
	char *path = paths[turn++ % 4];
	unsigned long length = 0;
	for (const char *root = test_root(); *root != '\0' && length < 4000; root++)
		path[length++] = *root;
	for (; *suffix != '\0' && length < 4095; suffix++)
		path[length++] = *suffix;
	path[length] = '\0';
	return path;
}
