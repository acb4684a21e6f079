import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/**
 * Ends a server and deletes its folder, if one is given, when this process is gone, however it went: a shell waits for the end of a pipe
 * that only we hold. The server's own children must end by themselves when it is killed: those started here do.
 */
export function endWithUs(server: ChildProcess, folder?: string): void {
  const script = 'read -r _; kill -KILL "$1"; sleep 1; [ -z "$2" ] || rm -rf "$2"';
  // A group of its own: Ctrl-C in the terminal must not end it first.
  const shell = spawn('sh', ['-c', script, 'sh', String(server.pid), folder ?? ''], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // Without a shell the servers still end with the tests that remove them.
  shell.on('error', () => {});
  shell.stdin?.on('error', () => {});
  server.once('exit', () => shell.kill('SIGKILL'));
  // Neither of the two keeps this process alive: to Node the pipe is a socket.
  shell.unref();
  (shell.stdin as Socket | null)?.unref();
}
