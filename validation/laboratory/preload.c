/* Shows the powercap zones of a simulated machine to any program. Loaded by LD_PRELOAD; the program is unchanged.
 *
 * Paths of powercap are looked up under the folder LABORATORY_ROOT. A file that says
 * `laboratory-counter POWER_W SINCE_S BASE_UJ RANGE_UJ` is read as a counter that had BASE_UJ at SINCE_S of
 * CLOCK_MONOTONIC, counts the energy of POWER_W every millisecond and wraps at RANGE_UJ. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const FOLDERS[] = {"/sys/class/powercap", "/sys/devices/virtual/powercap"};

static const char *moved(const char *path, char *buffer) {
    const char *root = getenv("LABORATORY_ROOT");
    for (int i = 0; root && path && i < 2; i++)
        if (!strncmp(path, FOLDERS[i], strlen(FOLDERS[i]))) {
            snprintf(buffer, 4096, "%s%s", root, path);
            return buffer;
        }
    return path;
}

/* Calls the C library's function of this name with the moved path. */
#define MOVE(TYPE, NAME, PARAMETERS, ...) \
    TYPE NAME PARAMETERS { \
        char buffer[4096]; \
        return ((TYPE (*) PARAMETERS)dlsym(RTLD_NEXT, #NAME))(__VA_ARGS__); \
    }
#define PATH moved(path, buffer)

MOVE(int, access, (const char *path, int mode), PATH, mode)
MOVE(int, faccessat, (int folder, const char *path, int mode, int flags), folder, PATH, mode, flags)
MOVE(int, stat, (const char *path, struct stat *out), PATH, out)
MOVE(int, stat64, (const char *path, struct stat64 *out), PATH, out)
MOVE(int, lstat, (const char *path, struct stat *out), PATH, out)
MOVE(int, lstat64, (const char *path, struct stat64 *out), PATH, out)
MOVE(int, fstatat, (int folder, const char *path, struct stat *out, int flags), folder, PATH, out, flags)
MOVE(int, fstatat64, (int folder, const char *path, struct stat64 *out, int flags), folder, PATH, out, flags)
MOVE(DIR *, opendir, (const char *path), PATH)
MOVE(ssize_t, readlink, (const char *path, char *out, size_t room), PATH, out, room)
MOVE(ssize_t, readlinkat, (int folder, const char *path, char *out, size_t room), folder, PATH, out, room)
MOVE(char *, realpath, (const char *path, char *out), PATH, out)

#define MOVE_OPEN(NAME, PARAMETERS, TYPE, ...) \
    int NAME PARAMETERS { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        char buffer[4096]; \
        return ((TYPE)dlsym(RTLD_NEXT, #NAME))(__VA_ARGS__, flags, mode); \
    }

MOVE_OPEN(open, (const char *path, int flags, ...), int (*)(const char *, int, ...), PATH)
MOVE_OPEN(open64, (const char *path, int flags, ...), int (*)(const char *, int, ...), PATH)
MOVE_OPEN(openat, (int folder, const char *path, int flags, ...), int (*)(int, const char *, int, ...), folder, PATH)
MOVE_OPEN(openat64, (int folder, const char *path, int flags, ...), int (*)(int, const char *, int, ...), folder, PATH)

ssize_t read(int file, void *out, size_t room) {
    static const char WORD[] = "laboratory-counter ";
    ssize_t got = ((ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read"))(file, out, room);
    if (got < (ssize_t)sizeof WORD || memcmp(out, WORD, sizeof WORD - 1)) return got;
    char text[256] = {0};
    memcpy(text, out, got < 255 ? got : 255);
    double power_w, since_s;
    unsigned long long base_uj, range_uj;
    if (sscanf(text + sizeof WORD - 1, "%lf %lf %llu %llu", &power_w, &since_s, &base_uj, &range_uj) != 4) return got;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long lasted_ms = (long long)((now.tv_sec - since_s) * 1e3 + now.tv_nsec * 1e-6);
    return sprintf(out, "%llu\n", (base_uj + (unsigned long long)(power_w * 1e3 * lasted_ms)) % range_uj);
}
