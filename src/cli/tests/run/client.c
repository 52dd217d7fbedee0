/* A model client. "dies LOCK": takes the lock and releases it again and again, some milliseconds each, and says
 * nothing but a point for each time; a signal ends it wherever it is. "finishes LOCK SECONDS": ignores SIGTERM,
 * holds the lock for that long, with a heartbeat, releases it, and ends a second later, as one that has to say what it
 * got. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void pause_for(long milliseconds)
{
	struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
	nanosleep(&time, 0);
}

static void take(const char *lock)
{
	while (mkdir(lock, 0777) != 0) {
		if (errno != EEXIST)
			_exit(2);
		pause_for(1);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "dies") == 0) {
		srand(getpid());
		for (;;) {
			take(argv[2]);
			pause_for(rand() % 10);
			if (rmdir(argv[2]) != 0)
				return 3;
			if (write(1, ".", 1) != 1)
				return 4;
			pause_for(rand() % 4);
		}
	}
	if (argc != 4)
		return 5;
	signal(SIGTERM, SIG_IGN);
	take(argv[2]);
	for (int second = 0; second < atoi(argv[3]); second++) {
		pause_for(1000);
		if (utimensat(AT_FDCWD, argv[2], 0, 0) != 0)
			return 6;
	}
	if (rmdir(argv[2]) != 0)
		return 7;
	pause_for(1000);
	return 0;
}
