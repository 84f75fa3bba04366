// Refuses requests to other sites before the browser sees them. The editor asks another program's
// server about unknown nodes, by their names. The policy of the page forbids that too.
;(() => {
  const isOwn = (address) => {
    try {
      const { origin, protocol } = new URL(address, location.href)
      return origin === location.origin || ['data:', 'blob:'].includes(protocol)
    } catch {
      return true // the browser itself refuses it
    }
  }
  const fetchOwn = window.fetch
  window.fetch = function (request, ...rest) {
    if (isOwn(request?.url ?? request)) return fetchOwn.call(this, request, ...rest)
    return Promise.reject(new TypeError('Failed to fetch: artgraph asks no other site'))
  }
  // A part of the editor that finds a replaced function would ask through a frame of its own.
  window.fetch.toString = () => 'function fetch() { [native code] }'
  const open = XMLHttpRequest.prototype.open
  XMLHttpRequest.prototype.open = function (method, address, ...rest) {
    return open.call(this, method, isOwn(address) ? address : 'data:,', ...rest)
  }
  const beacon = navigator.sendBeacon?.bind(navigator)
  if (beacon) navigator.sendBeacon = (address, data) => isOwn(address) && beacon(address, data)
})()
