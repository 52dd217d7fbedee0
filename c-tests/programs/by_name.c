/* build: -ldl */
/* A host that looks its functions up by name, in every way that the loader knows. */
#include <dlfcn.h>

#include "program.h"

typedef int make(const char *, mode_t);
typedef int take_away(const char *);

static void cycle(void *handle)
{
	make *mkdir_of = (make *)dlsym(handle, "mkdir");
	take_away *rmdir_of = (take_away *)dlsym(handle, "rmdir");
	CHECK(mkdir_of != 0 && rmdir_of != 0);
	CHECK(mkdir_of(SIBLING, 0777) == 0);
	CHECK(mkdir_of(SIBLING, 0777) == -1 && errno == EEXIST);
	CHECK(rmdir_of(SIBLING) == 0);
	CHECK(!on_disk(SIBLING) && !on_disk(IN_DIR));
}

int main(void)
{
	/* dlsym of what is not there allocates its message. */
	CHECK(dlsym(RTLD_DEFAULT, "no_such_function_anywhere") == 0 && dlerror() != 0);
	cycle(RTLD_DEFAULT);
	cycle(RTLD_NEXT);
	void *program = dlopen(0, RTLD_NOW);
	CHECK(program != 0);
	cycle(program);
	/* The libc itself: past every preloaded library, in both calls. */
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_LOCAL);
	CHECK(libc != 0);
	cycle(libc);
	CHECK(dlclose(libc) == 0 && dlclose(program) == 0);
	CHECK(dlopen("libno-such-library.so", RTLD_NOW) == 0);
	cycle(RTLD_DEFAULT);
	return 0;
}
