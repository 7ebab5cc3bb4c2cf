import { constants, openSync, readSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { systemCodeOf } from '../shared/operator-error.ts';

/** Descriptors that the shell script hands over: both ends of a named pipe each, so that neither waits for the other side. */
const [requestsDescriptor, answersDescriptor] = [3, 4];

/** A line of `bin/pgcellar-wal-restore`: its process id, and what it wants. */
export interface PipedRequest {
  readonly id: string;
  readonly words: readonly string[];
}

/**
 * Takes the requests of shell scripts on this host, one at a time: whoever asks holds a lock. An answer begins with the id of the request,
 * and the end of the pipe tells whoever waits that this process is gone.
 */
export class RequestPipe {
  readonly #socket: Socket;
  readonly #answers: number;

  constructor(onRequest: (request: PipedRequest) => void) {
    // another open file of the same pipe, for that one may wait for its reader
    const requests = openSync(`/proc/self/fd/${String(requestsDescriptor)}`, constants.O_RDWR | constants.O_NONBLOCK);
    this.#answers = openSync(`/proc/self/fd/${String(answersDescriptor)}`, constants.O_RDWR | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd: requests, readable: true, writable: false });
    let open = '';
    this.#socket.on('data', (chunk: Buffer) => {
      const lines = (open + chunk.toString('utf8')).split('\n');
      open = lines.pop() ?? '';
      for (const line of lines) {
        const [id = '', ...words] = line.split(' ');
        onRequest({ id, words });
      }
    });
  }

  /** Answers with one line. What killed scripts never read is thrown away when there is no more room. */
  answer({ id }: PipedRequest, text: string): void {
    const line = Buffer.from(`${id} ${text}\n`);
    try {
      writeSync(this.#answers, line);
    } catch (error) {
      if (systemCodeOf(error) !== 'EAGAIN') throw error;
      readSync(this.#answers, Buffer.alloc(1 << 20));
      writeSync(this.#answers, line);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}
