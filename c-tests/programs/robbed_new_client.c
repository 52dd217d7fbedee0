/* A new client is robbed of both its locks, hears of it, and removes its sibling all the same. In the same home an old
 * client has both locks by then, and keeps them. */
#include <signal.h>

#include "program.h"

/* Where the thief has a home of its own, the sibling is still the robbed client's, and must not stay. */
static void own_sibling_goes(void)
{
	struct stat found;
	CHECK(mkdir(IN_DIR, 0777) == 0 && mkdir(SIBLING, 0777) == 0 && raw_rmdir(IN_DIR) == 0);
	CHECK(stat(IN_DIR, &found) == -1 && errno == ENOENT);
	CHECK(rmdir(SIBLING) == 0 && !on_disk(SIBLING));
}

int main(void)
{
	struct stat found;
	int ready[2];
	char byte;
	CHECK(mkdir(IN_DIR, 0777) == 0 && mkdir(SIBLING, 0777) == 0);
	CHECK(raw_rmdir(SIBLING) == 0 && raw_rmdir(IN_DIR) == 0);
	CHECK(stat(IN_DIR, &found) == -1 && errno == ENOENT); /* now it knows */
	CHECK(pipe(ready) == 0);
	pid_t other = fork();
	if (other == 0) {
		CHECK(mkdir(SIBLING, 0777) == 0 && write(ready[1], "", 1) == 1);
		for (;;)
			pause();
	}
	CHECK(other > 0 && close(ready[1]) == 0 && read(ready[0], &byte, 1) == 1);
	CHECK(on_disk(SIBLING) && on_disk(IN_DIR) == active());
	/* Natively it is whoever's it is. */
	int result = rmdir(SIBLING);
	CHECK(active() ? result == -1 && errno == ENOENT : result == 0);
	CHECK(on_disk(SIBLING) == active() && on_disk(IN_DIR) == active());
	CHECK(kill(other, SIGKILL) == 0 && waitpid(other, 0, 0) == other);
	CHECK(mkdir(SIBLING, 0777) == 0 && rmdir(SIBLING) == 0);
	own_sibling_goes();
	return 0;
}
