/* What FORTIFY makes of open without a mode. OPEN_2(path, flags) must be defined. O_CREAT and O_TMPFILE end
 * the process there, natively too: not called. */

static void for_reading(const char *label, const char *path)
{
	CASE_OPEN(label, OPEN_2(path, O_RDONLY | O_CLOEXEC));
}

static void for_writing(const char *label, const char *path)
{
	CASE_OPEN(label, OPEN_2(path, O_WRONLY | O_TRUNC));
}

static void plain(void)
{
	each_path(for_reading, ALL_PATHS);
	each_path(for_writing, ALL_PATHS);
}

static void on_lock(const char *lock)
{
	CASE_OPEN("directory", OPEN_2(lock, O_RDONLY | O_DIRECTORY));
	CASE_OPEN("path", OPEN_2(lock, O_PATH | O_NOFOLLOW));
	CASE_OPEN("writing", OPEN_2(lock, O_WRONLY));
	CASE_OPEN("credentials", OPEN_2(in_root("/home/.claude/.credentials.json"), O_RDONLY));
}
