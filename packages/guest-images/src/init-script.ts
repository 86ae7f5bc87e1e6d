/** What `/init` prints when the user's shell is about to start; followed by a space and the guest's uptime in seconds. */
export const READY_MARKER: string = "TSVM-USERLAND-READY";

/**
 * `/init` of the default guest. The word `poweroff` on the kernel command line ends the machine once user space is up.
 * A shell that exits is started again, because the kernel panics when its first process ends.
 */
export const INIT_SCRIPT: string = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TERM=linux PS1='~ # '
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
while read -r module; do insmod "/lib/modules/$module.ko"; done </lib/modules/order
hostname tsvm
echo "${READY_MARKER} $(cut -d' ' -f1 /proc/uptime)"
if grep -qw poweroff /proc/cmdline; then poweroff -f; fi
cd /root
while :; do setsid cttyhack sh; done
`;
