/* Everything that sets a file's times by path. SET_TIMES(path) sets the modification time to
 * 1700000002.5 s (utime: 1700000002 s), SET_NOW(path) to now; both must be defined. */

static void show(const char *path)
{
	struct stat status;
	if (lstat(path, &status) == 0) {
		record_number("seconds", status.st_mtim.tv_sec);
		record_number("nanoseconds", status.st_mtim.tv_nsec);
	}
}

static void one(const char *label, const char *path)
{
	CASE(label, SET_TIMES(path));
	CASE("  now", SET_NOW(path));
}

static void plain(void)
{
	each_path(one, ALL_PATHS);
	CASE("set", SET_TIMES("file.json"));
	show("file.json");
	CASE("set a link", SET_TIMES("link"));
	show("link");
}

static void on_lock(const char *lock)
{
	CASE("now", SET_NOW(lock));
	CASE("set", SET_TIMES(lock));
	show(lock);
}
