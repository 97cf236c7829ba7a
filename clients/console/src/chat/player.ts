let stopCurrent: (() => void) | null = null;

/** Stops whatever plays and takes its place; the returned function gives the place up. */
export function claimPlayer(stop: () => void): () => void {
  if (stopCurrent && stopCurrent !== stop) stopCurrent();
  stopCurrent = stop;
  return () => {
    if (stopCurrent === stop) stopCurrent = null;
  };
}
