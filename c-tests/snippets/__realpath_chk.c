#include <limits.h>
#include <stddef.h>

#include "snippet.h"

EXACT(char *, __realpath_chk, (const char *, char *, size_t));

#define REALPATH(path, buffer) EXACT_CALL(__realpath_chk)(path, buffer, sizeof resolved)
#include "families/realpath.h"

SNIPPET(__realpath_chk, ALLOCATES, plain, on_lock);
