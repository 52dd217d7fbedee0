/* A snippet: what is called through one symbol. Every situation runs every snippet.
 *
 *     EXACT(int, rmdir, (const char *));
 *     static void one(const char *label, const char *path) { CASE(label, CALL(rmdir)(path)); }
 *     static void plain(void) { each_path(one, ALL_PATHS); }
 *     SNIPPET(rmdir, ASYNC_SIGNAL_SAFE, plain, on_lock);
 *
 * CALL(name) reaches exactly the symbol `name`, whatever the headers would make of it. In the FORTIFY and the
 * LFS64 build it is what the headers make of it: that is what those builds are for. A symbol that no header
 * declares is called by EXACT_CALL in every build. */
#ifndef SNIPPET_H
#define SNIPPET_H

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

#define EXACT(type, name, arguments) type exact_##name arguments __asm__(#name)
#define EXACT_CALL(name) exact_##name
#ifdef AS_THE_HEADERS_SAY
#define CALL(name) name
#else
#define CALL(name) exact_##name
#endif

enum snippet_kind {
	ASYNC_SIGNAL_SAFE, /* by POSIX, or a bare system call */
	ALLOCATES,         /* calls malloc: not for signal handlers and vfork children */
};

struct snippet {
	const char *symbol;
	enum snippet_kind kind;
	/* Paths that are none of the library's business: here the system calls must be the same, too. */
	void (*plain)(void);
	/* On the path of a lock, once while it is free, once while it is held. NULL: nothing to do there. */
	void (*on_lock)(const char *lock);
};

#define SNIPPET(name, kind, plain, on_lock)                                            \
	static const struct snippet snippet_of_this_file = { #name, kind, plain, on_lock }; \
	__attribute__((section("snippets"), used)) static const struct snippet *const       \
		snippet_entry_of_this_file = &snippet_of_this_file

/* The snippet for a symbol, or NULL. */
const struct snippet *find_snippet(const char *symbol);
/* The one that TEST_SYMBOL names; ends the process with 64 where there is none. */
const struct snippet *chosen_snippet(void);
/* All of it: the plain part between two markers that strace shows, then the locks. */
void run_snippet(const struct snippet *snippet);

/* Which paths each_path offers. */
enum path_kinds {
	GOOD_POINTERS, /* every form of a path */
	ALL_PATHS,     /* and NULL and two addresses that are no memory: for calls that hand them to the kernel */
};

/* Calls `one` with every form of a path that the library must not care about. */
void each_path(void (*one)(const char *label, const char *path), enum path_kinds kinds);
/* Calls `one` with every form of directory descriptor and path. */
void each_path_at(void (*one)(const char *label, int directory, const char *path), enum path_kinds kinds);

/* A directory descriptor for the lock's parent, got by a raw call; close it with raw_close. */
int open_parent(const char *path);
const char *last_component(const char *path);

#endif
