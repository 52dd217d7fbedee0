/* The program for constructor.c: what its library recorded is written here. */
#include "record.h"

extern int constructor_ran;

int main(void)
{
	if (!constructor_ran)
		return 66;
	return record_write() == 0 ? 0 : 65;
}
