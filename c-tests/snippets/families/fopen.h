/* fopen and fopen64. FOPEN must be defined. */

static void opened(const char *label, FILE *stream, int error)
{
	record_result(label, stream == 0 ? -1 : fileno(stream), error);
	if (stream == 0)
		return;
	record_number("descriptor flags", raw_fcntl(fileno(stream), F_GETFD, 0));
	record_number("file flags", raw_fcntl(fileno(stream), F_GETFL, 0));
	record_number("first byte", getc(stream));
	record_number("fclose", fclose(stream));
}

#define CASE_FOPEN(label, expression)              \
	do {                                       \
		errno = ERRNO_SENTINEL;            \
		FILE *case_stream = (expression);  \
		int case_errno = errno;            \
		opened(label, case_stream, case_errno); \
	} while (0)

static void for_reading(const char *label, const char *path)
{
	CASE_FOPEN(label, FOPEN(path, "r"));
}

static void appending(const char *label, const char *path)
{
	CASE_FOPEN(label, FOPEN(path, "a+"));
}

static void plain(void)
{
	each_path(for_reading, ALL_PATHS);
	CASE_FOPEN("close on exec", FOPEN("file", "re"));
	CASE_FOPEN("read and write", FOPEN("file", "r+"));
	CASE_FOPEN("exclusive", FOPEN("created.lock", "wx"));
	CASE_FOPEN("exclusive again", FOPEN("created.lock", "wx"));
	CASE_FOPEN("no such mode", FOPEN("file", "q"));
	CASE_FOPEN("empty mode", FOPEN("file", ""));
	CASE_FOPEN("truncating", FOPEN("file.json", "w+"));
	each_path(appending, ALL_PATHS);
}

static void on_lock(const char *lock)
{
	CASE_FOPEN("reading", FOPEN(lock, "r"));
	CASE_FOPEN("read and write", FOPEN(lock, "r+"));
	CASE_FOPEN("credentials", FOPEN(in_root("/home/.claude/.credentials.json"), "re"));
}
