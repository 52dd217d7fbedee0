/* A signal handler on the stack of whom it interrupts. */
#include "interrupt.h"

int main(void)
{
	return interrupt(SA_RESTART);
}
