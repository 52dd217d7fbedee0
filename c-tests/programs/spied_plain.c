/* Calls on paths that are none of the library's business, each once: spied on by the library behind. */
#include "program.h"

int main(void)
{
	CHECK(mkdir("made.lock", 01751) == 0);
	CHECK(mkdir("made.lock", 0700) == -1 && errno == EEXIST);
	CHECK(rename("made.lock", "moved.lock") == 0);
	CHECK(rmdir("moved.lock") == 0);
	CHECK(rmdir("./moved.lock") == -1 && errno == ENOENT);
	CHECK(unlink("file.json") == 0);
	CHECK(unlink("missing/../file.json") == -1 && errno == ENOENT);
	int fd = open("new.lock", O_WRONLY | O_CREAT | O_EXCL, 0640);
	CHECK(fd >= 0 && close(fd) == 0);
	CHECK(open("missing.lock", O_RDONLY) == -1 && errno == ENOENT);
	fd = open64("new.lock", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && close(fd) == 0);
	/* Directories of the locks' names, elsewhere. */
	CHECK(mkdir(".claude.lock", 0777) == 0 && rmdir(".claude.lock") == 0);
	CHECK(mkdir("directory/.oauth_refresh.lock", 0777) == 0 && rmdir("directory/.oauth_refresh.lock") == 0);
	return 0;
}
