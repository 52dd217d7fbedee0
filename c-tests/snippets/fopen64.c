#include <stdio.h>

#include "raw.h"
#include "snippet.h"

EXACT(FILE *, fopen64, (const char *, const char *));

#define FOPEN CALL(fopen64)
#include "families/fopen.h"

SNIPPET(fopen64, ALLOCATES, plain, on_lock);
