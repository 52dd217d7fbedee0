/* readlink and readlinkat. READLINK(path, buffer, size) must be defined. */

static char target[256];

static void one(const char *label, const char *path)
{
	errno = ERRNO_SENTINEL;
	long length = READLINK(path, target, sizeof target - 1);
	int error = errno;
	record_result(label, length, error);
	if (length >= 0) {
		target[length] = '\0';
		record_text("is", target);
	}
}

static void plain(void)
{
	each_path(one, ALL_PATHS);
	CASE("two bytes", READLINK("link", target, 2));
	/* What the compiler can see here, it refuses. */
	volatile size_t size = 0;
	CASE("no bytes", READLINK("link", target, size));
	char *volatile nowhere = 0;
	size = 16;
	CASE("buffer NULL", READLINK("link", nowhere, size));
}

static void on_lock(const char *lock)
{
	one("lock", lock);
	one("parent", in_root("/home/.claude"));
}
