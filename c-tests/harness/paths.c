/* The forms of a path and of a directory descriptor that every snippet is called with.
 * The files are those of the fixture (lib/fixture.sh): file, file.lock, file.json, directory/inner, link,
 * dangling; everything else does not exist. */
#include "snippet.h"

#include <limits.h>
#include <sys/mman.h>

#include "raw.h"

static char too_long[PATH_MAX + 2];
static char long_component[NAME_MAX + 2];
static char deepest[PATH_MAX];

static void fill(void)
{
	/* "./././…" names the working directory, so that only the length can be at fault. */
	for (unsigned i = 0; i < sizeof too_long - 1; i++)
		too_long[i] = i % 2 == 0 ? '.' : '/';
	for (unsigned i = 0; i < sizeof long_component - 1; i++)
		long_component[i] = 'c';
	for (unsigned i = 0; i < sizeof deepest - 1; i++)
		deepest[i] = i % 2 == 0 ? '.' : '/';
}

/* A path whose NUL is the last byte before an unmapped page: whoever reads on in words or blocks dies. */
static const char *at_page_end(const char *path)
{
	const long page = 4096;
	long pages = raw_syscall(SYS_mmap, 0, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages < 0 && pages > -4096)
		return path;
	raw_syscall(SYS_mprotect, pages + page, page, PROT_NONE, 0, 0, 0);
	long length = 0;
	while (path[length] != '\0')
		length++;
	char *copy = (char *)pages + page - length - 1;
	for (long i = 0; i <= length; i++)
		copy[i] = path[i];
	return copy;
}

void each_path(void (*one)(const char *label, const char *path), enum path_kinds kinds)
{
	fill();
	one("missing", "missing");
	one("missing-parent", "missing/name");
	one("missing.lock", "missing.lock");
	one("missing.json", "missing.json");
	one("missing-parent.lock", "missing/name.lock");
	one("file", "file");
	one("file.lock", "file.lock");
	one("file.json", "file.json");
	one("file-as-directory", "file/inner");
	one("directory", "directory");
	one("directory/", "directory/");
	one("directory//", "directory//");
	one("file/", "file/");
	one("directory/inner", "directory/inner");
	one("./directory/../directory/inner.lock", "./directory/../directory/inner.lock");
	one("link", "link");
	one("dangling", "dangling");
	one(".", ".");
	one("..", "..");
	one("directory/.", "directory/.");
	one("/missing.lock", "/missing-directory-of-the-tests/missing.lock");
	one("absolute", in_root("/work/directory/absolute.lock"));
	one("empty", "");
	one("not-utf8", "\xff\xfe.lock");
	one("page-end", at_page_end("directory/page-end.lock"));
	one("long-component", long_component);
	one("longest", deepest);
	one("too-long", too_long);
#ifdef __SANITIZE_ADDRESS__
	/* Reads the path of many functions itself, before it calls them. */
	kinds = GOOD_POINTERS;
#endif
	if (kinds == ALL_PATHS) {
		one("NULL", (const char *)0);
		one("address-1", (const char *)1);
		one("address-minus-1", (const char *)-1);
	}
}

static void (*at_function)(const char *label, int directory, const char *path);

static void from_working_directory(const char *label, const char *path)
{
	at_function(label, AT_FDCWD, path);
}

void each_path_at(void (*one)(const char *label, int directory, const char *path), enum path_kinds kinds)
{
	at_function = one;
	each_path(from_working_directory, kinds);
	int directory = raw_open("directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int file = raw_open("file", O_RDONLY | O_CLOEXEC, 0);
	one("directory:inner2", directory, "inner2");
	one("directory:missing.lock", directory, "missing.lock");
	one("directory:../file.json", directory, "../file.json");
	one("directory:absolute", directory, in_root("/work/directory/absolute2.lock"));
	one("directory:empty", directory, "");
	one("file:inner", file, "inner.lock");
	one("bad:relative", -1, "missing.lock");
	one("bad:absolute", -1, in_root("/work/missing/absolute.lock"));
	one("unused:relative", 1000000, "missing.lock");
	if (directory >= 0)
		raw_close(directory);
	if (file >= 0)
		raw_close(file);
}

const char *last_component(const char *path)
{
	const char *last = path;
	for (; *path != '\0'; path++)
		if (path[0] == '/' && path[1] != '\0')
			last = path + 1;
	return last;
}

int open_parent(const char *path)
{
	static char parent[PATH_MAX];
	const char *last = last_component(path);
	unsigned long length = 0;
	for (; path + length < last; length++)
		parent[length] = path[length];
	if (length == 0)
		parent[length++] = '.';
	parent[length] = '\0';
	return raw_open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}
