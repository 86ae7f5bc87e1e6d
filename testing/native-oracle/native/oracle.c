/*
 * Runs single instructions on the real CPU and reports the state they leave.
 *
 * A case is loaded by editing the context of a signal handler: the handler's sigreturn makes the kernel load general
 * registers, flags, CS, SS and the FXSAVE image in one go; DS, ES, FS and GS are loaded by the handler just before it
 * returns. 32- and 16-bit code needs nothing more than another CS. The code window is filled with INT3 around the
 * instruction, so whatever happens next is a trap or a fault, and the second signal's context is the result. INT3 is
 * used rather than TF because TF is visible to PUSHF, and stops REP after every iteration.
 *
 * A case may also be a whole program. Then a fault is noted and the program goes on at its next slot of code, until INT3
 * or one fault too many ends it. Programs may run into anything, so system calls other than the harness's own are refused.
 *
 * All addresses, descriptors and contents come from stdin; see native-harness.ts for the layout of the stream.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <unistd.h>

#define MAX_WINDOWS 16
#define MAX_FAULTS 64
#define MAX_DESCRIPTORS 16
#define FXSAVE_BYTES 416 /* the rest of the 512 belongs to the kernel's frame format */
#define MXCSR_MASK_OFFSET 28
#define XSTATE_BV_OFFSET 512
#define XSTATE_X87_SSE 3
#define XSTATE_AVX 4
#define YMM_OFFSET 576 /* CPUID leaf 0DH, subleaf 2; all makers have it there */
#define YMM_BYTES 256
#define SELECTORS 6 /* es cs ss ds fs gs, the order of the ModRM encoding */
enum { ES, CS, SS, DS, FS, GS };

struct window {
  uint32_t address, length, protection, reserved;
  uint8_t *alias;    /* writable for us whatever the case may do */
  uint8_t *pristine; /* contents between cases */
  uint8_t *before;   /* contents at the start of the case */
};

struct machine_state {
  uint64_t gpr[16]; /* in encoding order: rax rcx rdx rbx rsp rbp rsi rdi r8.. */
  uint64_t rip, rflags, fs_base, gs_base;
  uint16_t selector[SELECTORS];
  uint32_t patch_count; /* in: patches that follow; out: changed runs that follow */
  uint8_t fxsave[512];
  uint8_t ymm[YMM_BYTES]; /* upper halves */
};

struct trap {
  uint64_t cr2;
  uint32_t signal, vector, error_code, fault_count; /* faults that the program went on from follow */
};

/* How programs go on behind a fault; a limit of 0 means that cases are single instructions. */
struct resumption {
  uint32_t fault_limit, code_address, code_length, slot_bytes;
};

struct fault {
  uint64_t cr2, rip;
  uint32_t vector, error_code;
};

static struct window windows[MAX_WINDOWS];
static uint32_t window_count;
static struct machine_state in_state, out_state;
static struct trap out_trap;
static struct resumption resumption;
static struct fault faults[MAX_FAULTS];
static uint32_t descriptor_bases[MAX_DESCRIPTORS];

static gregset_t home_registers;
static uint8_t home_fxsave[FXSAVE_BYTES];
static uint64_t home_fs_base;
static uint16_t home_ds, home_es;
static volatile int running;

static const int greg_of[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void fail(const char *what) {
  fprintf(stderr, "oracle: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void read_exactly(void *to, size_t length) {
  if (length && fread(to, length, 1, stdin) != 1) fail("short input");
}

static void write_exactly(const void *from, size_t length) {
  if (length && fwrite(from, length, 1, stdout) != 1) fail("short output");
}

/* The kernel keeps its own bookkeeping in the frame's MXCSR_MASK and software bytes; those stay. */
static void load_fxsave(uint8_t *frame, const uint8_t *image) {
  memcpy(frame, image, MXCSR_MASK_OFFSET);
  memcpy(frame + 32, image + 32, FXSAVE_BYTES - 32);
  *(uint64_t *)(frame + XSTATE_BV_OFFSET) |= XSTATE_X87_SSE;
}

static void load_ymm(uint8_t *frame, const uint8_t *upper_halves) {
  memcpy(frame + YMM_OFFSET, upper_halves, YMM_BYTES);
  *(uint64_t *)(frame + XSTATE_BV_OFFSET) |= XSTATE_AVX;
}

/* What is in its initial configuration is not in the frame. */
static void save_ymm(uint8_t *upper_halves, const uint8_t *frame) {
  if (*(const uint64_t *)(frame + XSTATE_BV_OFFSET) & XSTATE_AVX) memcpy(upper_halves, frame + YMM_OFFSET, YMM_BYTES);
  else memset(upper_halves, 0, YMM_BYTES);
}

/* The same for the XMM registers: VZEROALL leaves them so. */
static void clear_absent_xmm(uint8_t *fxsave, const uint8_t *frame) {
  if (!(*(const uint64_t *)(frame + XSTATE_BV_OFFSET) & 2)) memset(fxsave + 160, 0, 256);
}

/* sigreturn leaves ID and NT as they are: what one case's POPF set must not reach the next. */
static void clear_lasting_flags(void) {
  asm volatile("pushfq; andq %0, (%%rsp); popfq" ::"i"(~0x204000L) : "memory", "cc");
}

/* First signal: leave `home` for the case. */
static void enter_case(ucontext_t *context) {
  gregset_t *registers = &context->uc_mcontext.gregs;
  uint8_t *frame = (uint8_t *)context->uc_mcontext.fpregs;
  memcpy(&home_registers, registers, sizeof home_registers);
  memcpy(home_fxsave, frame, FXSAVE_BYTES);
  for (int i = 0; i < 16; i++) (*registers)[greg_of[i]] = in_state.gpr[i];
  (*registers)[REG_RIP] = in_state.rip;
  (*registers)[REG_EFL] = in_state.rflags;
  /* REG_CSGSFS packs cs, gs, fs and ss; the kernel reads only cs and ss of it. */
  (*registers)[REG_CSGSFS] = in_state.selector[CS] | (uint64_t)in_state.selector[SS] << 48;
  load_fxsave(frame, in_state.fxsave);
  load_ymm(frame, in_state.ymm);
  clear_lasting_flags();
  running = 1;
  asm volatile("mov %0, %%ds; mov %1, %%es" ::"r"((uint32_t)in_state.selector[DS]), "r"((uint32_t)in_state.selector[ES]));
  asm volatile("mov %0, %%fs; mov %1, %%gs" ::"r"((uint32_t)in_state.selector[FS]), "r"((uint32_t)in_state.selector[GS]));
  if (!in_state.selector[FS]) asm volatile("wrfsbase %0" ::"r"(in_state.fs_base));
  if (!in_state.selector[GS]) asm volatile("wrgsbase %0" ::"r"(in_state.gs_base));
}

/* Second signal: keep what the case left and go home. */
static void leave_case(int signal, ucontext_t *context) {
  uint32_t ds, es, fs, gs;
  uint64_t fs_base, gs_base;
  asm volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3" : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
  asm volatile("rdfsbase %0; rdgsbase %1" : "=r"(fs_base), "=r"(gs_base));
  asm volatile("mov %0, %%ds; mov %1, %%es; mov %2, %%fs" ::"r"((uint32_t)home_ds), "r"((uint32_t)home_es), "r"(0));
  asm volatile("wrfsbase %0" ::"r"(home_fs_base));
  running = 0;

  gregset_t *registers = &context->uc_mcontext.gregs;
  uint8_t *frame = (uint8_t *)context->uc_mcontext.fpregs;
  for (int i = 0; i < 16; i++) out_state.gpr[i] = (*registers)[greg_of[i]];
  out_state.rip = (*registers)[REG_RIP];
  out_state.rflags = (*registers)[REG_EFL];
  out_state.fs_base = fs_base;
  out_state.gs_base = gs_base;
  out_state.selector[ES] = es;
  out_state.selector[CS] = (*registers)[REG_CSGSFS];
  out_state.selector[SS] = (uint64_t)(*registers)[REG_CSGSFS] >> 48;
  out_state.selector[DS] = ds;
  out_state.selector[FS] = fs;
  out_state.selector[GS] = gs;
  memcpy(out_state.fxsave, frame, FXSAVE_BYTES);
  save_ymm(out_state.ymm, frame);
  clear_absent_xmm(out_state.fxsave, frame);
  out_trap.signal = signal;
  out_trap.vector = (*registers)[REG_TRAPNO];
  out_trap.error_code = (*registers)[REG_ERR];
  out_trap.cr2 = (*registers)[REG_CR2];

  memcpy(registers, &home_registers, sizeof home_registers);
  load_fxsave(frame, home_fxsave);
}

/* A program runs with AC as it likes; our own code is not aligned for it. */
static void clear_alignment_check(void) { asm volatile("pushfq; andq %0, (%%rsp); popfq" ::"i"(~0x40000L) : "memory", "cc"); }

/* Base of the code segment: only LDT entries have one. */
static uint64_t code_base(const gregset_t *registers) {
  uint16_t selector = (*registers)[REG_CSGSFS];
  return selector & 4 && selector >> 3 < MAX_DESCRIPTORS ? descriptor_bases[selector >> 3] : 0;
}

/*
 * Goes on behind a fault if that is allowed: at the next slot, or at one that follows from the number of faults if the
 * program had left its code. FS and GS are the program's here, so nothing may touch thread-local storage.
 */
static int resume_program(int signal, ucontext_t *context) {
  gregset_t *registers = &context->uc_mcontext.gregs;
  uint32_t vector = (*registers)[REG_TRAPNO];
  if (signal == SIGALRM || signal == SIGSYS || vector == 3 || out_trap.fault_count >= resumption.fault_limit) return 0;
  struct fault *fault = &faults[out_trap.fault_count++];
  fault->cr2 = (*registers)[REG_CR2];
  fault->rip = (*registers)[REG_RIP];
  fault->vector = vector;
  fault->error_code = (*registers)[REG_ERR];
  uint64_t base = code_base(registers);
  uint64_t offset = fault->rip + base - resumption.code_address;
  uint64_t slots = resumption.code_length / resumption.slot_bytes;
  uint64_t next = offset < resumption.code_length ? offset / resumption.slot_bytes + 1 : out_trap.fault_count * 5;
  (*registers)[REG_RIP] = resumption.code_address + next % slots * resumption.slot_bytes - base;
  return 1;
}

static void on_signal(int signal, siginfo_t *info, void *raw_context) {
  (void)info;
  if (running) {
    clear_alignment_check();
    if (!resume_program(signal, raw_context)) leave_case(signal, raw_context);
  }
  else if (signal == SIGTRAP) enter_case(raw_context);
  else _exit(2); /* our own bug: a fault outside a case */
}

static void install_handlers(void) {
  static const int signals[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGALRM, SIGSYS};
  stack_t alternate = {.ss_size = 256 << 10};
  alternate.ss_sp = mmap(NULL, alternate.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (alternate.ss_sp == MAP_FAILED || sigaltstack(&alternate, NULL)) fail("signal stack");
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    if (sigaction(signals[i], &action, NULL)) fail("sigaction");
}

static void read_descriptors(uint32_t count) {
  if (count > MAX_DESCRIPTORS) fail("too many descriptors");
  for (uint32_t i = 0; i < count; i++) {
    struct user_desc descriptor;
    read_exactly(&descriptor, sizeof descriptor);
    descriptor_bases[i] = descriptor.base_addr;
    if (syscall(SYS_modify_ldt, 0x11, &descriptor, sizeof descriptor)) fail("modify_ldt");
  }
}

static void read_window(struct window *window) {
  read_exactly(window, 16);
  int file = memfd_create("window", 0);
  if (file < 0 || ftruncate(file, window->length)) fail("memfd");
  window->alias = mmap(NULL, window->length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  void *fixed = mmap((void *)(uintptr_t)window->address, window->length, window->protection,
                     MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, file, 0);
  if (window->alias == MAP_FAILED || fixed == MAP_FAILED) fail("window");
  window->pristine = malloc(window->length);
  window->before = malloc(window->length);
  read_exactly(window->pristine, window->length);
  memcpy(window->alias, window->pristine, window->length);
}

static void apply_patches(uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    uint32_t where[2];
    uint8_t bytes[4096];
    read_exactly(where, sizeof where);
    if (where[1] > sizeof bytes) fail("patch too long");
    read_exactly(bytes, where[1]);
    for (uint32_t w = 0; w < window_count; w++) {
      uint32_t offset = where[0] - windows[w].address;
      if (offset < windows[w].length && where[1] <= windows[w].length - offset)
        memcpy(windows[w].alias + offset, bytes, where[1]);
    }
  }
  for (uint32_t w = 0; w < window_count; w++) memcpy(windows[w].before, windows[w].alias, windows[w].length);
}

/* Calls `emit` for every run of bytes the case changed, or only counts them when `emit` is 0. */
static uint32_t changed_runs(int emit) {
  uint32_t runs = 0;
  for (uint32_t w = 0; w < window_count; w++) {
    struct window *window = &windows[w];
    if (!memcmp(window->before, window->alias, window->length)) continue;
    for (uint32_t i = 0; i < window->length; i++) {
      if (window->before[i] == window->alias[i]) continue;
      uint32_t end = i;
      while (end < window->length && window->before[end] != window->alias[end]) end++;
      uint32_t where[2] = {window->address + i, end - i};
      if (emit) {
        write_exactly(where, sizeof where);
        write_exactly(window->alias + i, end - i);
      }
      runs++;
      i = end;
    }
  }
  return runs;
}

/* Whatever a program jumps into, it reaches no more of the host than reading and writing our own two pipes. */
static void refuse_system_calls(void) {
#define ALLOW(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      ALLOW(SYS_read),
      ALLOW(SYS_write),
      ALLOW(SYS_rt_sigreturn),
      ALLOW(SYS_setitimer),
      ALLOW(SYS_exit_group),
      ALLOW(SYS_newfstatat),
      ALLOW(SYS_brk),
      ALLOW(SYS_mmap),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
  };
  struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) fail("seccomp");
}

static void run_case(void) {
  memset(&out_state, 0, sizeof out_state);
  memset(&out_trap, 0, sizeof out_trap);
  struct itimerval limit = {.it_value = {.tv_usec = 200000}}, off = {0};
  setitimer(ITIMER_REAL, &limit, NULL);
  asm volatile("int3" ::: "memory");
  setitimer(ITIMER_REAL, &off, NULL);
}

int main(void) {
  uint32_t counts[3]; /* descriptors, windows, cases */
  read_exactly(counts, sizeof counts);
  read_descriptors(counts[0]);
  if (counts[1] > MAX_WINDOWS) fail("too many windows");
  for (window_count = 0; window_count < counts[1]; window_count++) read_window(&windows[window_count]);
  asm volatile("mov %%ds, %0; mov %%es, %1" : "=r"(home_ds), "=r"(home_es));
  asm volatile("rdfsbase %0" : "=r"(home_fs_base));
  install_handlers();
  read_exactly(&resumption, sizeof resumption);
  if (resumption.fault_limit > MAX_FAULTS) fail("too many faults");
  if (resumption.fault_limit) refuse_system_calls();
  for (uint32_t i = 0; i < counts[2]; i++) {
    read_exactly(&in_state, sizeof in_state);
    apply_patches(in_state.patch_count);
    run_case();
    out_state.patch_count = changed_runs(0);
    write_exactly(&out_trap, sizeof out_trap);
    write_exactly(&out_state, sizeof out_state);
    changed_runs(1);
    write_exactly(faults, out_trap.fault_count * sizeof *faults);
    for (uint32_t w = 0; w < window_count; w++) memcpy(windows[w].alias, windows[w].pristine, windows[w].length);
  }
  fflush(stdout);
  return 0;
}
