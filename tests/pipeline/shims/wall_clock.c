/* A wall clock that a test moves: preloaded into a process (LD_PRELOAD), it adds to CLOCK_REALTIME what a file says.
 *
 * TIDEWIRE_TEST_CLOCK names the file: eight bytes, nanoseconds as a native int64. It is mapped, so a step is seen at once by every process,
 * a child's children too. The monotonic clock is left alone, as a step of the real one leaves it. Waits for an absolute time of the wall
 * clock are moved back, since the kernel knows nothing of the step: such a wait lasts as long as it would without one. Not covered:
 * timers of the kernel by the wall clock (timerfd, clock_nanosleep), and the times of files.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
/* What is larger is no time since the machine started. */
#define WALL 1000000000LL

static volatile const int64_t *offset;
static int (*real_wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*real_wait_by)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
static int (*real_c11_wait)(cnd_t *, mtx_t *, const struct timespec *);
static int (*real_lock)(pthread_mutex_t *, const struct timespec *);
static int (*real_sem)(sem_t *, const struct timespec *);

static void add(struct timespec *time, int64_t nanoseconds) {
    int64_t whole = time->tv_sec * SECOND + time->tv_nsec + nanoseconds;
    time->tv_sec = whole / SECOND;
    time->tv_nsec = whole % SECOND;
}

static int64_t step(void) { return offset ? *offset : 0; }

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TIDEWIRE_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *found = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0) close(file);
    if (found == MAP_FAILED) abort();
    offset = found;
}

static void *next(const char *name) {
    void *found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2"); /* of the two forms of pthread_cond_timedwait, the one in use */
    return found ? found : dlsym(RTLD_NEXT, name);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int outcome = syscall(SYS_clock_gettime, clock, time);
    if (outcome == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) add(time, step());
    return outcome;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *time, int base) {
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, time) == 0 ? base : 0;
}

static const struct timespec *moved(const struct timespec *until, struct timespec *copy) {
    if (until == NULL || until->tv_sec < WALL) return until;
    *copy = *until;
    add(copy, -step());
    return copy;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
    struct timespec copy;
    if (!real_wait) *(void **)&real_wait = next("pthread_cond_timedwait");
    return real_wait(condition, mutex, moved(until, &copy));
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until) {
    struct timespec copy;
    if (!real_c11_wait) *(void **)&real_c11_wait = next("cnd_timedwait");
    return real_c11_wait(condition, mutex, moved(until, &copy));
}

int pthread_cond_clockwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, clockid_t clock,
                           const struct timespec *restrict until) {
    struct timespec copy;
    if (!real_wait_by) *(void **)&real_wait_by = next("pthread_cond_clockwait");
    return real_wait_by(condition, mutex, clock, clock == CLOCK_REALTIME ? moved(until, &copy) : until);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
    struct timespec copy;
    if (!real_lock) *(void **)&real_lock = next("pthread_mutex_timedlock");
    return real_lock(mutex, moved(until, &copy));
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    struct timespec copy;
    if (!real_sem) *(void **)&real_sem = next("sem_timedwait");
    return real_sem(semaphore, moved(until, &copy));
}
