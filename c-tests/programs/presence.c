/* That "active" means active: without this, every comparison would pass with a library that does nothing.
 * The library is in the memory map, a sibling lock is both directories, and its guard is locked. */
#include "program.h"

static int mapped(void)
{
	char line[1024];
	int found = 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	CHECK(maps != 0);
	while (fgets(line, sizeof line, maps) != 0)
		found |= strstr(line, getenv("TEST_LIBRARY")) != 0;
	fclose(maps);
	return found;
}

int main(void)
{
	int native = strcmp(getenv("TEST_MODE"), "native") == 0;
	CHECK(mapped() == !native);
	CHECK(mkdir(SIBLING, 0777) == 0);
	CHECK(on_disk(SIBLING));
	CHECK(on_disk(IN_DIR) == active());
	CHECK(guard_is_locked() == active());
	CHECK(on_disk(home("/.claude/.lockspan/oauth_refresh.owner")) == active());
	CHECK(rmdir(SIBLING) == 0);
	CHECK(!on_disk(SIBLING) && !on_disk(IN_DIR));
	CHECK(!guard_is_locked());
	CHECK(mkdir(IN_DIR, 0777) == 0);
	CHECK(!on_disk(SIBLING));
	CHECK(guard_is_locked() == active());
	CHECK(rmdir(IN_DIR) == 0);
	CHECK(!guard_is_locked());
	return 0;
}
