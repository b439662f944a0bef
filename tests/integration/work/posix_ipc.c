// Two processes count in POSIX shared memory under a named semaphore; a System V segment beside it.
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  const int fd = shm_open("/counter", O_RDWR | O_CREAT | O_EXCL, 0600);
  if (fd < 0 || ftruncate(fd, 4096) != 0) return perror("shm_open"), 1;
  volatile int* counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  sem_t* lock = sem_open("/lock", O_CREAT | O_EXCL, 0600, 1);
  if (counter == MAP_FAILED || lock == SEM_FAILED) return perror("sem_open"), 1;
  const pid_t child = fork();
  for (int i = 0; i < 20000; ++i) {
    sem_wait(lock);
    ++*counter;
    sem_post(lock);
  }
  if (child == 0) return 0;
  int status = 0;
  waitpid(child, &status, 0);
  const int segment = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  int* other = segment < 0 ? (void*)-1 : shmat(segment, NULL, 0);
  if (other == (void*)-1) return perror("shmget"), 1;
  other[0] = *counter;
  printf("%d %d %d\n", status, *counter, other[0]);
  shmctl(segment, IPC_RMID, NULL);
  return shm_unlink("/counter") || sem_unlink("/lock");
}
