/* The exit code is the number of open descriptors. */
#include "program.h"

int main(void)
{
	int open = 0;
	for (int fd = 0; fd < 70000; fd++)
		open += raw_fcntl(fd, F_GETFD, 0) >= 0;
	return open;
}
