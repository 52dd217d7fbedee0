/* struct statx for a libc whose headers have none (musl before 1.2.4). The kernel's layout, statx(2). */
#ifndef STATX_TYPES_H
#define STATX_TYPES_H

#include <stdint.h>
#include <sys/stat.h>

#ifndef STATX_BASIC_STATS
#define STATX_MODE 0x2U
#define STATX_MTIME 0x40U
#define STATX_BASIC_STATS 0x7ffU
#define STATX_ALL 0xfffU

struct statx_timestamp {
	int64_t tv_sec;
	uint32_t tv_nsec, pad;
};

struct statx {
	uint32_t stx_mask, stx_blksize;
	uint64_t stx_attributes;
	uint32_t stx_nlink, stx_uid, stx_gid;
	uint16_t stx_mode, pad1;
	uint64_t stx_ino, stx_size, stx_blocks, stx_attributes_mask;
	struct statx_timestamp stx_atime, stx_btime, stx_ctime, stx_mtime;
	uint32_t stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
	uint64_t spare[14];
};
#endif

#ifndef AT_STATX_SYNC_AS_STAT
#define AT_STATX_SYNC_AS_STAT 0
#define AT_STATX_DONT_SYNC 0x4000
#endif

#endif
