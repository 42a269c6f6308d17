"""What must be installed for pictures to be drawn."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_DISTRIBUTIONS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
"""All of them bring the module ``cv2``, and overwrite each other."""


def opencv_problem() -> str | None:
    """Why OpenCV cannot be used here, and what to do about it; None where it can."""
    try:
        import cv2  # noqa: PLC0415 - only those who draw wait for it

        cv2.imencode  # noqa: B018 - the folder that an uninstalled one leaves behind can be imported, too
    except (ImportError, AttributeError) as error:
        installed = [name for name in _DISTRIBUTIONS if _is_installed(name)]
        return (
            f"OpenCV cannot be imported ({error}; installed: {', '.join(installed) or 'none'}). Keep one distribution "
            "of it, on a server without a screen the headless one: `pip uninstall -y "
            f"{' '.join(installed) or 'opencv-python'}`, then `pip install opencv-python-headless`"
        )
    return None


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
