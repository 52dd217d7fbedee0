/* Everything that fills a struct stat by path. STAT(path, status) must be defined. */

static void one(const char *label, const char *path)
{
	struct stat status;
	errno = ERRNO_SENTINEL;
	int result = STAT(path, &status);
	int error = errno;
	record_result(label, result, error);
	if (result == 0)
		record_stat(&status);
}

static void plain(void)
{
	each_path(one, ALL_PATHS);
#ifdef __GLIBC__
	/* Other libcs fill a structure of their own and die copying it. */
	struct stat *volatile nowhere = 0;
	CASE("buffer NULL", STAT("file.lock", nowhere));
	nowhere = (struct stat *)1;
	CASE("buffer 1", STAT("file.lock", nowhere));
#endif
}

static void on_lock(const char *lock)
{
	struct stat status;
	struct timespec times[2] = { { 1700000000, 123000000 }, { 1700000001, 456000000 } };
	one("status", lock);
	CASE("utimensat", utimensat(AT_FDCWD, lock, times, 0));
	errno = ERRNO_SENTINEL;
	int result = STAT(lock, &status);
	int error = errno;
	record_result("times", result, error);
	if (result == 0) {
		record_number("seconds", status.st_mtim.tv_sec);
		record_number("nanoseconds", status.st_mtim.tv_nsec);
		record_stat(&status);
	}
}
