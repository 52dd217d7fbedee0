/* System calls without libc: what the tests do for themselves (markers, dumps, fixtures) must neither pass
 * through the library under test nor touch errno. Results are the kernel's: negative errno on failure. */
#ifndef RAW_H
#define RAW_H

#include <fcntl.h>
#include <sys/syscall.h>

static inline long raw_syscall(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#else
#error "raw_syscall is not written for this architecture"
#endif
}

static inline int raw_open(const char *path, int flags, int mode)
{
	return (int)raw_syscall(SYS_openat, AT_FDCWD, (long)path, flags, mode, 0, 0);
}

static inline int raw_close(int fd)
{
	return (int)raw_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline long raw_write(int fd, const void *bytes, unsigned long length)
{
	return raw_syscall(SYS_write, fd, (long)bytes, (long)length, 0, 0, 0);
}

static inline int raw_fcntl(int fd, int command, long argument)
{
	return (int)raw_syscall(SYS_fcntl, fd, command, argument, 0, 0, 0);
}

static inline int raw_mkdir(const char *path, int mode)
{
	return (int)raw_syscall(SYS_mkdirat, AT_FDCWD, (long)path, mode, 0, 0, 0);
}

static inline int raw_unlink(const char *path)
{
	return (int)raw_syscall(SYS_unlinkat, AT_FDCWD, (long)path, 0, 0, 0, 0);
}

static inline int raw_rmdir(const char *path)
{
	return (int)raw_syscall(SYS_unlinkat, AT_FDCWD, (long)path, 0x200 /* AT_REMOVEDIR */, 0, 0, 0);
}

static inline int raw_chdir(const char *path)
{
	return (int)raw_syscall(SYS_chdir, (long)path, 0, 0, 0, 0, 0);
}

static inline _Noreturn void raw_exit(int status)
{
	for (;;)
		raw_syscall(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

#endif
