/* A signal handler on a small stack of its own. */
#include "interrupt.h"

#include <sys/auxv.h>

/* The kernel's frame alone takes AT_MINSIGSTKSZ, more than MINSIGSTKSZ where the vector registers are large. */
#ifdef __SANITIZE_ADDRESS__
/* It puts space around every variable. */
#define ROOM 16384
#else
#define ROOM 8192
#endif

int main(void)
{
	static char stack[65536];
	stack_t alternate = { .ss_sp = stack, .ss_size = getauxval(51 /* AT_MINSIGSTKSZ */) + ROOM };
	if (alternate.ss_size > sizeof stack || sigaltstack(&alternate, 0) != 0)
		return 66;
	return interrupt(SA_RESTART | SA_ONSTACK);
}
