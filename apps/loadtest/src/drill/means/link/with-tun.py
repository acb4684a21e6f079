# Makes a TUN device with an address in this network namespace, and becomes the given command, which gets the device's file descriptor as its
# last argument. Node cannot make the system call that attaches to the device.
import fcntl
import os
import struct
import subprocess
import sys

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
# Packets as they are, without a header of the kernel's.
IFF_NO_PI = 0x1000
# Room for what a mobile network wraps around packets.
MTU = "1400"

name, own, other, *command = sys.argv[1:]
device = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
os.set_inheritable(device, True)
subprocess.run(["ip", "address", "add", own, "peer", other, "dev", name], check=True)
# By IPv6, where it has that, the kernel greets its neighbours unasked.
ipv6 = f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6"
if os.path.exists(ipv6):
    with open(ipv6, "w") as setting:
        setting.write("1")
subprocess.run(["ip", "link", "set", name, "up", "mtu", MTU], check=True)
os.execvp(command[0], [*command, str(device)])
