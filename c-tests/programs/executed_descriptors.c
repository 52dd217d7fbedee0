/* No descriptor of the library's survives an exec by a holder: the new program has exactly those of a program
 * that was executed by one that holds nothing. */
#include "program.h"

static int passed_on(int hold)
{
	if (hold)
		CHECK(mkdir(SIBLING, 0777) == 0);
	int number = run_beside("count_descriptors", (char *)0);
	if (hold)
		CHECK(rmdir(SIBLING) == 0);
	return number;
}

int main(void)
{
	int before = passed_on(0);
	CHECK(before >= 3 && before < 100);
	CHECK(passed_on(1) == before);
	return 0;
}
