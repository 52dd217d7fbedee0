/* rename and its kin. RENAME(from, to) must be defined. */

static void away_and_back(const char *label, const char *path)
{
	CASE(label, RENAME(path, "renamed.lock"));
	CASE("  back", RENAME("renamed.lock", path));
}

static void onto(const char *label, const char *path)
{
	CASE(label, RENAME("missing-source.lock", path));
}

static void plain_paths(void)
{
	each_path(away_and_back, ALL_PATHS);
	each_path(onto, ALL_PATHS);
	CASE("replace", RENAME("file.json", "file.lock"));
}

/* Nothing that puts anything but a lock directory at the lock's path, or takes it away whole: what a lock
 * that was renamed still locks is not a question that clients ask. */
static void on_lock_paths(const char *lock)
{
	CASE("onto a file", RENAME(lock, in_root("/work/file")));
	CASE("from nothing", RENAME(in_root("/work/missing"), lock));
	CASE("onto itself", RENAME(lock, lock));
}
