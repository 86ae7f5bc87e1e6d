/*
 * Runs single instructions with all of AVX-512's registers on the real CPU and reports what they leave. 64-bit code; memory, if any,
 * is at rax. What comes in on stdin goes out on stdout, changed: see evex-host.ts. A fault leaves its signal and nothing else that counts.
 * With an argument, whatever it is, no memory can be accessed.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define CODE_BYTES 16
#define MEMORY_BYTES 256
#define CODE ((void *)0x10000000)
#define MEMORY ((void *)0x20000000)
#define RET 0xc3
#define MXCSR_DEFAULT "$0x1f80"

struct evex_case {
  uint8_t code[CODE_BYTES];
  uint32_t length; /* of the instruction */
  uint32_t signal; /* out: 0, or which one it ended in */
  uint32_t mxcsr;
  uint32_t flags; /* out */
  uint64_t rcx, rdx;
  uint64_t k[8];
  uint8_t zmm[32][64];
  uint8_t memory[MEMORY_BYTES];
};

static sigjmp_buf back;
static volatile sig_atomic_t caught;

static void catch_signal(int number) {
  caught = number;
  siglongjmp(back, 1);
}

#define LOAD_ZMM(n) "vmovdqu64 %c[zmm]+" #n "*64(%%r15), %%zmm" #n "\n\t"
#define STORE_ZMM(n) "vmovdqu64 %%zmm" #n ", %c[zmm]+" #n "*64(%%r15)\n\t"
#define LOAD_K(n) "kmovq %c[k]+" #n "*8(%%r15), %%k" #n "\n\t"
#define STORE_K(n) "kmovq %%k" #n ", %c[k]+" #n "*8(%%r15)\n\t"
#define EIGHT(M, a, b, c, d, e, f, g, h) M(a) M(b) M(c) M(d) M(e) M(f) M(g) M(h)
#define ALL_K(M) EIGHT(M, 0, 1, 2, 3, 4, 5, 6, 7)
#define ALL_ZMM(M)                                                                                                     \
  EIGHT(M, 0, 1, 2, 3, 4, 5, 6, 7) EIGHT(M, 8, 9, 10, 11, 12, 13, 14, 15)                                              \
  EIGHT(M, 16, 17, 18, 19, 20, 21, 22, 23) EIGHT(M, 24, 25, 26, 27, 28, 29, 30, 31)
#define AT(field) [field] "i"(offsetof(struct evex_case, field))

__attribute__((noinline)) static void execute(struct evex_case *it) {
  register struct evex_case *state asm("r15") = it;
  register void *code asm("r14") = CODE;
  asm volatile(
      ALL_ZMM(LOAD_ZMM) ALL_K(LOAD_K)
      "ldmxcsr %c[mxcsr](%%r15)\n\t"
      "mov %c[rcx](%%r15), %%rcx\n\t"
      "mov %c[rdx](%%r15), %%rdx\n\t"
      "mov %[at], %%eax\n\t"
      "pushq $2\n\t"
      "popfq\n\t"
      "call *%%r14\n\t"
      "pushfq\n\t"
      "popq %%rax\n\t"
      "mov %%eax, %c[flags](%%r15)\n\t"
      "stmxcsr %c[mxcsr](%%r15)\n\t"
      "mov %%rcx, %c[rcx](%%r15)\n\t"
      "mov %%rdx, %c[rdx](%%r15)\n\t"
      ALL_ZMM(STORE_ZMM) ALL_K(STORE_K)
      "pushq " MXCSR_DEFAULT "\n\t"
      "ldmxcsr (%%rsp)\n\t"
      "popq %%rax\n\t"
      "vzeroupper"
      :
      : "r"(state), "r"(code), [at] "i"(MEMORY), AT(zmm), AT(k), AT(mxcsr), AT(rcx), AT(rdx), AT(flags)
      : "rax", "rcx", "rdx", "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "memory", "cc");
}

static uint8_t *map(void *at, int protection) {
  return mmap(at, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

int main(int count, char **arguments) {
  (void)arguments;
  int absent = count > 1;
  uint8_t *code = map(CODE, PROT_READ | PROT_WRITE | PROT_EXEC);
  uint8_t *memory = map(MEMORY, absent ? PROT_NONE : PROT_READ | PROT_WRITE);
  if (code == MAP_FAILED || memory == MAP_FAILED) return 1;
  struct sigaction action = {.sa_handler = catch_signal, .sa_flags = SA_NODEFER};
  const int signals[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  static struct evex_case it;
  while (fread(&it, sizeof it, 1, stdin) == 1) {
    if (it.length >= CODE_BYTES) return 1;
    memcpy(code, it.code, CODE_BYTES);
    code[it.length] = RET;
    if (!absent) memcpy(memory, it.memory, MEMORY_BYTES);
    caught = 0;
    if (sigsetjmp(back, 1) == 0) execute(&it);
    it.signal = (uint32_t)caught;
    if (!absent) memcpy(it.memory, memory, MEMORY_BYTES);
    if (fwrite(&it, sizeof it, 1, stdout) != 1) return 1;
  }
  return 0;
}
