#include <stdio.h>

#include "raw.h"
#include "snippet.h"

EXACT(FILE *, fopen, (const char *, const char *));

#define FOPEN CALL(fopen)
#include "families/fopen.h"

SNIPPET(fopen, ALLOCATES, plain, on_lock);
