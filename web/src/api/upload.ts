import { ApiError, CSRF_HEADER, problemOf, sessionEnded, silent } from './client.ts';
import type { Uploaded } from './types.ts';

export interface Upload {
  done: Promise<{ created: boolean; app: Uploaded }>;
  cancel(): void;
}

/** Sends a zip. XMLHttpRequest, because fetch does not tell how much of a body has gone out. */
export function upload(file: File, onProgress: (share: number) => void): Upload {
  const request = new XMLHttpRequest();
  const done = new Promise<{ created: boolean; app: Uploaded }>((resolve, reject) => {
    request.upload.onprogress = (event) => {
      if (event.lengthComputable && event.total > 0) onProgress(event.loaded / event.total);
    };
    request.onerror = () => reject(new ApiError(silent()));
    request.onabort = () => reject(new DOMException('cancelled', 'AbortError'));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        resolve({ created: request.status === 201, app: JSON.parse(request.responseText) as Uploaded });
        return;
      }
      if (request.status === 401) sessionEnded();
      reject(new ApiError(problemOf(request.status, request.responseText)));
    };
    request.open('POST', '/api/baseApp/upload/');
    for (const [name, value] of Object.entries(CSRF_HEADER)) request.setRequestHeader(name, value);
    const form = new FormData();
    form.append('file', file, file.name);
    request.send(form);
  });
  return { done, cancel: () => request.abort() };
}
