/* What the programs with raw sites share. They make no raw call but those of harness/raw_sites.S: their table is
 * to be whole. */
#ifndef RAW_PROGRAM_H
#define RAW_PROGRAM_H

#include <sys/xattr.h>

#include "program.h"
#include "raw_sites.h"
#include "statx_types.h"

/* What is on the disk, by a function that the library does not know. */
__attribute__((unused)) static int lies_there(const char *path)
{
	int error = errno;
	int there = getxattr(path, "user.none", 0, 0) >= 0 || errno != ENOENT;
	errno = error;
	return there;
}

/* Whether all sites are as the linker wrote them ("original") or all are "patched": the "mov" is a jump and the
 * rest is untouched. Anything else is an error, whatever was expected. */
__attribute__((unused)) static const char *state_of_sites(void)
{
	int patched = 0, original = 0;
	for (const struct raw_site *site = __start_raw_site_list; site < __stop_raw_site_list; site++) {
		/* Through a volatile pointer: nobody told the compiler that code changes. */
		const volatile unsigned char *bytes = site->start;
		long length = site->end - site->start;
		for (long at = 5; at < length - 2; at++)
			CHECK(bytes[at] == site->reference[at]);
		CHECK(bytes[length - 2] == 0x0f && bytes[length - 1] == 0x05);
		if (bytes[0] == 0xe9) {
			patched++;
			continue;
		}
		for (long at = 0; at < 5; at++)
			CHECK(bytes[at] == site->reference[at]);
		original++;
	}
	CHECK(patched == 0 || original == 0);
	return patched != 0 ? "patched" : "original";
}

/* Ends the process if the sites are not as the caller of the program says. */
__attribute__((unused)) static void expect_sites(const char *expected)
{
	const char *state = state_of_sites();
	if (strcmp(state, expected) != 0) {
		fprintf(stderr, "the sites are %s, not %s\n", state, expected);
		_exit(1);
	}
}

/* Whether a raw mkdir of the sibling lock is redirected in this run. */
__attribute__((unused)) static int redirected(void)
{
	return active() && strcmp(state_of_sites(), "patched") == 0;
}

#endif
