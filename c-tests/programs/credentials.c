/* What clients do with the credentials file, in the ways of the three bands: truncating and writing, writing
 * beside and renaming, reading. What they read back is printed; it must be what it is without the library. */
#include "program.h"

static void show(const char *path)
{
	char content[256];
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	ssize_t length = read(fd, content, sizeof content - 1);
	CHECK(length >= 0 && fstat(fd, &status) == 0 && close(fd) == 0);
	content[length] = '\0';
	printf("%s mode %o size %ld\n", content, status.st_mode, (long)status.st_size);
}

static void store(const char *path, int flags, const char *content)
{
	int fd = open(path, flags, 0600);
	CHECK(fd >= 0);
	CHECK(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	CHECK(close(fd) == 0);
}

int main(void)
{
	char credentials[4096], beside[4096];
	strcpy(credentials, home("/.claude/.credentials.json"));
	strcpy(beside, home("/.claude/.credentials.json.tmp.1"));
	show(credentials);
	CHECK(mkdir(SIBLING, 0777) == 0);
	store(credentials, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	      "{\"claudeAiOauth\":{\"accessToken\":\"b\",\"refreshToken\":\"s\",\"expiresAt\":2}}");
	CHECK(chmod(credentials, 0600) == 0);
	show(credentials);
	store(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	      "{\"claudeAiOauth\":{\"accessToken\":\"c\",\"refreshToken\":\"t\",\"expiresAt\":3}}");
	CHECK(rename(beside, credentials) == 0);
	show(credentials);
	CHECK(access(beside, F_OK) == -1 && errno == ENOENT);
	CHECK(rmdir(SIBLING) == 0);
	return 0;
}
