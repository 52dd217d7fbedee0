/* realpath and what FORTIFY makes of it. REALPATH(path, buffer) must be defined. */

static char resolved[PATH_MAX];

static void one(const char *label, const char *path)
{
	resolved[0] = '\0';
	errno = ERRNO_SENTINEL;
	const char *result = REALPATH(path, resolved);
	int error = errno;
	record_result(label, result == resolved, error);
	if (result != 0)
		record_path("is", resolved);
}

/* Only NULL of the bad pointers: realpath reads the path itself. */
static void plain(void)
{
	each_path(one, GOOD_POINTERS);
	const char *volatile nowhere = 0;
	CASE_POINTER("NULL", REALPATH(nowhere, resolved));
}

static void on_lock(const char *lock)
{
	one("lock", lock);
	one("parent", in_root("/home/.claude"));
	one("credentials", in_root("/home/.claude/.credentials.json"));
}
