/* Calls on the lock. Between them a line "call NAME" goes to the spy's descriptor: what follows it came from
 * that one call. */
#include "program.h"

#define SPIED(expression)                                                                  \
	do {                                                                               \
		static const char line[] = "call " #expression "\n";                       \
		raw_write(atoi(getenv("LOCKSPAN_SPY_FD")), line, sizeof line - 1);         \
		(void)(expression);                                                        \
	} while (0)

static void cycle(const char *lock)
{
	SPIED(mkdir(lock, 0777));
	SPIED(mkdir(lock, 0777));
	SPIED(open(lock, O_PATH | O_CLOEXEC));
	SPIED(unlink(lock));
	SPIED(rename(lock, "file"));
	SPIED(rmdir(lock));
	SPIED(rmdir(lock));
}

int main(void)
{
	cycle(SIBLING);
	cycle(IN_DIR);
	return 0;
}
