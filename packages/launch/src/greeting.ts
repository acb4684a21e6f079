import { connect } from 'node:net';

/** An open connection that says nothing: the server is not ready. */
const SILENCE_MS = 2_000;

/** Connects to a port of 127.0.0.1, says `hello` and resolves when the answer has `wanted` in it. */
export function greet(port: number, hello: string | Uint8Array, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(hello));
    let answer = '';
    socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error('no answer')));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (answer.includes(wanted)) {
        resolve();
        socket.destroy();
      }
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`answered ${JSON.stringify(answer)}`)));
  });
}
