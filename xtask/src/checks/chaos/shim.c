/* The disk of a machine that may lose its power: loaded into a program (LD_PRELOAD), it writes
 * down, for everything beneath $CHAOS_DISK, how to undo each change, and each sync. disk.rs reads
 * that and takes back what a loss of power would: strictly by POSIX, so only synced data stays, of
 * a file its bytes and its length, of a directory its names.
 *
 * $CHAOS_JOURNAL is a folder on the same file system, outside of $CHAOS_DISK:
 *   records     one for each change, written before it happens
 *   files/INO   a link to each file that was opened to be written, so that it outlives its names,
 *               and its number is not given to another one
 *   full        while it exists, writes to paths that match the pattern in it find no room
 *   nofiles     while it exists, paths that match the pattern in it cannot be opened
 * $CHAOS_LEAVE_OUT: a sync of a path that matches this pattern does nothing, and reports success.
 * $CHAOS_DIE_AT: the program is killed at this record: before the change, or in the middle of a
 * write.
 *
 * The shim misses calls that bypass libc's symbols (direct system calls, stdio in C); disk.rs looks
 * for them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE = 'W', CUT = 'T', NAME = 'N', MADE = 'M', REMOVED = 'R', SYNC = 'S', LEFT_OUT = 'L' };

/* The head of a record; disk.rs knows it too. */
struct head {
    uint64_t kind;
    uint64_t file;   /* the file whose bytes change or are synced (0: a directory), or that a name was of (0: none) */
    uint64_t offset; /* the place of the bytes after this head: for WRITE and CUT */
    uint64_t before; /* the length of the file */
    uint64_t after;  /* the length that it is to have */
    uint64_t bytes;  /* the number of bytes that follow: old ones of a file, otherwise a path beneath $CHAOS_DISK */
};

static char disk[PATH_MAX], folder[PATH_MAX / 2];
static size_t disk_length;
static const char *leave_out;
static long die_at;
static int records = -1; /* nothing is watched */
/* Held over a record and its change, so that their order is the same. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void loudly(const char *what, const char *path) {
    dprintf(2, "chaos: %s: %s\n", what, path);
    abort();
}

static int really_open(int at, const char *path, int flags, mode_t mode) {
    return syscall(SYS_openat, at, path, flags, mode);
}

__attribute__((constructor)) static void begin(void) {
    const char *watched = getenv("CHAOS_DISK"), *journal = getenv("CHAOS_JOURNAL");
    if (!watched || !journal) return;
    disk_length = snprintf(disk, sizeof disk, "%s", watched);
    snprintf(folder, sizeof folder, "%s", journal);
    leave_out = getenv("CHAOS_LEAVE_OUT");
    const char *at = getenv("CHAOS_DIE_AT");
    die_at = at ? atol(at) : 0;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/records", folder);
    records = really_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (records < 0) loudly("cannot be written", path);
}

/* Paths. Those that are kept begin with that of the disk, which has no links in it. */

static bool beneath(const char *path) {
    return records >= 0 && !strncmp(path, disk, disk_length) && (path[disk_length] == '/' || !path[disk_length]);
}

static const char *shown(const char *path) { return path[disk_length] ? path + disk_length + 1 : ""; }

/* The present path of an open file; whether it is watched. */
static bool open_as(int fd, char *path) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = records < 0 ? -1 : readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return beneath(path);
}

/* A path, seen from a directory, from the root; whether it is watched. */
static bool whole(int at, const char *given, char *path) {
    if (records < 0) return false;
    path[0] = 0;
    if (given[0] != '/') {
        if (at == AT_FDCWD && !getcwd(path, PATH_MAX)) return false;
        if (at != AT_FDCWD) open_as(at, path);
        strncat(path, "/", PATH_MAX - 1 - strlen(path));
    }
    strncat(path, given, PATH_MAX - 1 - strlen(path));
    if (beneath(path) && strstr(path, "/..")) loudly("'..' in a path", path);
    return beneath(path);
}

/* Whether a path that matches the pattern in this control file is in trouble now. */
static bool troubled(const char *control, const char *path) {
    char file[PATH_MAX], pattern[PATH_MAX];
    snprintf(file, sizeof file, "%s/%s", folder, control);
    int fd = really_open(AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return false;
    ssize_t length = read(fd, pattern, sizeof pattern - 1);
    close(fd);
    pattern[length < 0 ? 0 : length] = 0;
    return !fnmatch(pattern, shown(path), 0);
}

/* Records. */

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static bool last_record(void) {
    static long count;
    return ++count == die_at;
}

static void append(struct head head, const void *bytes) {
    struct iovec parts[] = {{&head, sizeof head}, {(void *)bytes, head.bytes}};
    if (syscall(SYS_writev, records, parts, 2) != (ssize_t)(sizeof head + head.bytes)) {
        loudly("cannot be written", folder);
    }
}

static void about_path(enum kind kind, uint64_t file, const char *path) {
    bool sync = kind == SYNC || kind == LEFT_OUT;
    /* A sync that is not finished has done nothing. */
    if (sync && last_record()) die();
    append((struct head){.kind = kind, .file = file, .bytes = strlen(shown(path))}, shown(path));
    if (!sync && last_record()) die();
}

static void link_of(uint64_t file, char *path) { snprintf(path, PATH_MAX, "%s/files/%lu", folder, file); }

/* Returns the file's number. */
static uint64_t preserve(const char *path) {
    struct stat found;
    if (fstatat(AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW)) return 0;
    if (!S_ISREG(found.st_mode)) loudly("neither a file nor a directory, or one that is moved", path);
    char kept[PATH_MAX];
    link_of(found.st_ino, kept);
    if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, kept, 0) && errno != EEXIST) loudly("cannot be linked", path);
    return found.st_ino;
}

/* The same for a file that was just made. By its descriptor: its folder may have been moved. */
static void preserve_open(int fd, const char *path) {
    struct stat found;
    char kept[PATH_MAX], open_file[40];
    snprintf(open_file, sizeof open_file, "/proc/self/fd/%d", fd);
    if (fstat(fd, &found)) loudly("cannot be looked at", path);
    link_of(found.st_ino, kept);
    if (syscall(SYS_linkat, AT_FDCWD, open_file, AT_FDCWD, kept, AT_SYMLINK_FOLLOW) && errno != EEXIST) {
        loudly("cannot be linked", path);
    }
}

/* The old bytes from `from` to `to`, and the lengths. Returns whether the program is to die. */
static bool bytes_change(enum kind kind, uint64_t file, uint64_t from, uint64_t to, uint64_t after) {
    char kept[PATH_MAX];
    struct stat found;
    link_of(file, kept);
    int fd = really_open(AT_FDCWD, kept, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0 || fstat(fd, &found)) loudly("written, and its opening was not seen", kept);
    uint64_t before = found.st_size;
    if (to > before) to = before;
    uint64_t size = from < to ? to - from : 0;
    char *old = malloc(size + 1);
    if (!old || pread(fd, old, size, from) != (ssize_t)size) loudly("cannot be read", kept);
    close(fd);
    if (after < before && kind == WRITE) after = before;
    append((struct head){kind, file, from, before, after, size}, old);
    free(old);
    return last_record();
}

static void name_changes(const char *path) { about_path(NAME, preserve(path), path); }

static uint64_t length_of(int fd, uint64_t *file) {
    struct stat found;
    if (fstat(fd, &found)) return 0;
    *file = found.st_ino;
    return found.st_size;
}

/* The same by its other name: on this machine all files are large. */
#define ALSO(name) __typeof__(name##64) name##64 __attribute__((alias(#name)));

/* Opening. */

static int opened(int at, const char *given, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!whole(at, given, path)) return really_open(at, given, flags, mode);
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    if (flags & __O_TMPFILE) loudly("a file without a name", path);
    pthread_mutex_lock(&lock);
    int fd = -1;
    struct stat found;
    bool there = !fstatat(AT_FDCWD, path, &found, 0);
    if (troubled("nofiles", path)) {
        errno = EMFILE;
    } else {
        if (!there && flags & O_CREAT) name_changes(path);
        if (there && writes && S_ISREG(found.st_mode)) {
            preserve(path);
            bool cuts = flags & O_TRUNC && !(flags & O_CREAT && flags & O_EXCL);
            if (cuts && bytes_change(CUT, found.st_ino, 0, found.st_size, 0)) die();
        }
        fd = really_open(AT_FDCWD, path, flags, mode);
        int error = errno;
        if (fd >= 0 && !there && flags & O_CREAT) preserve_open(fd, path);
        errno = error;
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE_BEHIND(flags)           \
    mode_t mode = 0;                 \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
        va_list more;                \
        va_start(more, flags);       \
        mode = va_arg(more, mode_t); \
        va_end(more);                \
    }

int open(const char *path, int flags, ...) {
    MODE_BEHIND(flags)
    return opened(AT_FDCWD, path, flags, mode);
}
ALSO(open)
int openat(int at, const char *path, int flags, ...) {
    MODE_BEHIND(flags)
    return opened(at, path, flags, mode);
}
ALSO(openat)
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode); }
ALSO(creat)

/* Bytes. */

/* The first half of it, at least a byte. */
static ssize_t half_written(int fd, const struct iovec *parts, int count, size_t total, off_t offset) {
    static struct iovec fewer[IOV_MAX];
    size_t left = total > 1 ? total / 2 : total;
    int n = 0;
    for (; n < count && left > 0; n++) {
        fewer[n] = parts[n];
        if (fewer[n].iov_len > left) fewer[n].iov_len = left;
        left -= fewer[n].iov_len;
    }
    return syscall(SYS_pwritev2, fd, fewer, n, offset, 0, 0);
}

/* Offset -1: where the file is. */
static ssize_t written(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    char path[PATH_MAX];
    if (!open_as(fd, path)) return syscall(SYS_pwritev2, fd, parts, count, offset, 0, flags);
    size_t total = 0;
    for (int n = 0; n < count; n++) total += parts[n].iov_len;
    pthread_mutex_lock(&lock);
    uint64_t file = 0, before = length_of(fd, &file), from = offset;
    int how = fcntl(fd, F_GETFL);
    if (how & O_APPEND) from = before;
    else if (offset == -1) from = lseek(fd, 0, SEEK_CUR);
    ssize_t done = -1;
    static bool part;
    bool full = troubled("full", path);
    part = full && !part;
    if (full && !part) {
        errno = ENOSPC;
    } else {
        if (bytes_change(WRITE, file, from, from + total, from + total)) {
            half_written(fd, parts, count, total, offset);
            die();
        }
        /* First there is room for a part, then for nothing. */
        done = part ? half_written(fd, parts, count, total, offset)
                    : syscall(SYS_pwritev2, fd, parts, count, offset, 0, flags);
        if (done >= 0 && (how & O_DSYNC || flags & (RWF_DSYNC | RWF_SYNC))) about_path(SYNC, file, path);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    return written(fd, &(struct iovec){(void *)bytes, length}, 1, -1, 0);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return written(fd, &(struct iovec){(void *)bytes, length}, 1, offset, 0);
}
ALSO(pwrite)
ssize_t writev(int fd, const struct iovec *parts, int count) { return written(fd, parts, count, -1, 0); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    return written(fd, parts, count, offset, 0);
}
ALSO(pwritev)
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    return written(fd, parts, count, offset, flags);
}
__typeof__(pwritev2) pwritev64v2 __attribute__((alias("pwritev2")));

int ftruncate(int fd, off_t length) {
    char path[PATH_MAX];
    if (!open_as(fd, path)) return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    uint64_t file = 0, before = length_of(fd, &file);
    if (bytes_change(CUT, file, length, before, length)) die();
    int result = syscall(SYS_ftruncate, fd, length);
    pthread_mutex_unlock(&lock);
    return result;
}
ALSO(ftruncate)

int fallocate(int fd, int mode, off_t offset, off_t length) {
    char path[PATH_MAX];
    if (!open_as(fd, path) || mode == FALLOC_FL_KEEP_SIZE) return syscall(SYS_fallocate, fd, mode, offset, length);
    if (mode) loudly("fallocate with a mode", path);
    pthread_mutex_lock(&lock);
    uint64_t file = 0, before = length_of(fd, &file), after = offset + length;
    if (bytes_change(CUT, file, before, before, after < before ? before : after)) die();
    int result = syscall(SYS_fallocate, fd, mode, offset, length);
    pthread_mutex_unlock(&lock);
    return result;
}
ALSO(fallocate)
int posix_fallocate(int fd, off_t offset, off_t length) { return fallocate(fd, 0, offset, length) ? errno : 0; }
ALSO(posix_fallocate)

static int synced(int fd, long call) {
    char path[PATH_MAX];
    struct stat found;
    if (!open_as(fd, path) || fstat(fd, &found)) return syscall(call, fd);
    /* As long as a good disk takes; nothing is synced, because the machine will not stop. */
    usleep(1000);
    pthread_mutex_lock(&lock);
    bool directory = S_ISDIR(found.st_mode);
    if (directory) strncat(path, "/", PATH_MAX - 1 - strlen(path));
    bool left_out = leave_out && !fnmatch(leave_out, shown(path), FNM_PATHNAME);
    about_path(left_out ? LEFT_OUT : SYNC, directory ? 0 : found.st_ino, path);
    pthread_mutex_unlock(&lock);
    return 0;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* Names. */

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    char old[PATH_MAX], new[PATH_MAX];
    bool watched = whole(from_at, from, old);
    if (watched != whole(to_at, to, new)) loudly("moved onto the disk, or away from it", to);
    if (!watched) return syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    if (flags & ~RENAME_NOREPLACE) loudly("renamed in an unusual way", new);
    pthread_mutex_lock(&lock);
    name_changes(new);
    name_changes(old);
    int result = syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, flags);
    pthread_mutex_unlock(&lock);
    return result;
}
int renameat(int from_at, const char *from, int to_at, const char *to) {
    return renameat2(from_at, from, to_at, to, 0);
}
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    char path[PATH_MAX];
    if (!whole(to_at, to, path)) return syscall(SYS_linkat, from_at, from, to_at, to, flags);
    pthread_mutex_lock(&lock);
    name_changes(path);
    int result = syscall(SYS_linkat, from_at, from, AT_FDCWD, path, flags);
    pthread_mutex_unlock(&lock);
    return result;
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int at, const char *given, int flags) {
    char path[PATH_MAX];
    if (!whole(at, given, path)) return syscall(SYS_unlinkat, at, given, flags);
    pthread_mutex_lock(&lock);
    if (flags & AT_REMOVEDIR) about_path(REMOVED, 0, path);
    else name_changes(path);
    int result = syscall(SYS_unlinkat, AT_FDCWD, path, flags);
    pthread_mutex_unlock(&lock);
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int at, const char *given, mode_t mode) {
    char path[PATH_MAX];
    struct stat found;
    if (!whole(at, given, path) || !fstatat(AT_FDCWD, path, &found, 0)) return syscall(SYS_mkdirat, at, given, mode);
    pthread_mutex_lock(&lock);
    about_path(MADE, 0, path);
    int result = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    pthread_mutex_unlock(&lock);
    return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

/* Calls that are not used so far, or have replacements. */

static bool watched(int fd) {
    char path[PATH_MAX];
    return open_as(fd, path);
}

/* Programs that copy with these fall back to writes. */
ssize_t copy_file_range(int in, off_t *from, int out, off_t *to, size_t length, unsigned flags) {
    if (!watched(out)) return syscall(SYS_copy_file_range, in, from, out, to, length, flags);
    errno = EINVAL;
    return -1;
}
ssize_t sendfile(int out, int in, off_t *offset, size_t length) {
    if (!watched(out)) return syscall(SYS_sendfile, out, in, offset, length);
    errno = EINVAL;
    return -1;
}
ALSO(sendfile)
ssize_t splice(int in, off_t *from, int out, off_t *to, size_t length, unsigned flags) {
    if (!watched(out)) return syscall(SYS_splice, in, from, out, to, length, flags);
    errno = EINVAL;
    return -1;
}

int truncate(const char *given, off_t length) {
    char path[PATH_MAX];
    if (whole(AT_FDCWD, given, path)) loudly("truncated by its name", path);
    return syscall(SYS_truncate, given, length);
}
ALSO(truncate)

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    char path[PATH_MAX];
    bool writes = flags & MAP_SHARED && protection & PROT_WRITE && !(flags & MAP_ANONYMOUS);
    if (writes && open_as(fd, path)) loudly("written by way of memory", path);
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}
ALSO(mmap)
