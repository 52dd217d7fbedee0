/* chmod and fchmodat. CHMOD(path, mode) must be defined. */

static void one(const char *label, const char *path)
{
	CASE(label, CHMOD(path, 0755));
}

static void show(const char *path)
{
	struct stat status;
	if (stat(path, &status) == 0)
		record_stat(&status);
}

static void plain(void)
{
	each_path(one, ALL_PATHS);
	CASE("mode 04751", CHMOD("file.json", 04751));
	show("file.json");
}

static void on_lock(const char *lock)
{
	CASE("mode 0700", CHMOD(lock, 0700));
	show(lock);
	CASE("mode 0755", CHMOD(lock, 0755));
	show(lock);
	CASE("credentials", CHMOD(in_root("/home/.claude/.credentials.json"), 0600));
	show(in_root("/home/.claude/.credentials.json"));
}
